//! Limits how many connections a listener has open, in total and from one source.
//!
//! A connection counts from before its TLS handshake, so that handshakes that never end are limited, too. A listener either
//! refuses new connections when it is full, or closes an idle one in their place ([`WhenFull`]).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kyc_telemetry::{ConnectionMetrics, Metrics};
use tokio::sync::Notify;

/// The limits of one listener.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Open connections in total.
    pub connections: usize,
    /// Open connections from one IPv4 address or one IPv6 /64 network; `None`: no limit.
    pub per_source: Option<usize>,
    /// The deadline of a TLS handshake, and of the header of the PROXY protocol.
    pub handshake: Duration,
    /// What happens to a new connection when the limits are reached.
    pub when_full: WhenFull,
}

/// What happens to a new connection when a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The new connection is closed.
    RefuseNew,
    /// The connection that has been idle longest is closed, if there is an idle one: a client that opens connections and sends
    /// nothing cannot lock others out. nginx does the same when its connections run out.
    CloseIdle,
}

/// Counts the connections of one listener, from before their handshake to their end, and enforces the limits.
#[derive(Debug)]
pub struct ConnectionLimiter {
    pub(super) limits: ConnectionLimits,
    pub(super) metrics: ConnectionMetrics,
    connections: Connections,
}

type Connections = Arc<Mutex<OpenConnections>>;

/// The connections that are open.
#[derive(Debug, Default)]
struct OpenConnections {
    /// The open connections by number; a smaller number is an older connection.
    open: HashMap<u64, OpenConnection>,
    /// The number of open connections of each source.
    sources: HashMap<IpAddr, usize>,
    next: u64,
}

#[derive(Debug)]
struct OpenConnection {
    source: Option<IpAddr>,
    state: Activity,
    /// Notified when the connection must be closed to make room.
    evicted: Arc<Notify>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    /// Waiting for the rest of a request head.
    Idle,
    /// Handling a request.
    Busy,
}

/// Permission for one connection; dropping it frees the slot.
#[derive(Debug)]
pub struct ConnectionPermit {
    number: u64,
    evicted: Arc<Notify>,
    connections: Connections,
    limits: ConnectionLimits,
    metrics: ConnectionMetrics,
}

/// Marks one connection as busy or idle. A busy connection is never closed to make room for a new one.
#[derive(Clone, Debug)]
pub struct ConnectionActivity {
    number: u64,
    connections: Connections,
}

/// Keeps a connection busy; it is idle again when this is dropped.
#[derive(Debug)]
pub struct BusyGuard<'a>(&'a ConnectionActivity);

// === impl ConnectionLimiter ===

impl ConnectionLimiter {
    /// Creates the limiter of a listener. `listener` is its name in metrics.
    pub fn new(listener: &str, limits: ConnectionLimits, metrics: &Metrics) -> Self {
        let metrics = metrics.listener(listener);
        metrics.connections_limit(limits.connections);
        Self { limits, metrics, connections: Arc::default() }
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        lock(&self.connections).open.len()
    }

    /// Admits a connection, or counts why it is refused. `peer` is `None` when the source is not known yet.
    pub fn admit(&self, peer: Option<IpAddr>) -> Option<ConnectionPermit> {
        let mut connections = lock(&self.connections);
        let source = peer.map(network);
        if !connections.admits_source(source, self.limits, &self.metrics) {
            return None;
        }
        if connections.open.len() >= self.limits.connections
            && !connections.make_room(None, self.limits.when_full, &self.metrics)
        {
            self.metrics.refused("listener_full");
            return None;
        }
        if let Some(source) = source {
            *connections.sources.entry(source).or_default() += 1;
        }
        let (number, evicted) = (connections.next, Arc::new(Notify::new()));
        connections.next += 1;
        connections
            .open
            .insert(number, OpenConnection { source, state: Activity::Idle, evicted: Arc::clone(&evicted) });
        self.metrics.opened();
        Some(ConnectionPermit {
            number,
            evicted,
            connections: Arc::clone(&self.connections),
            limits: self.limits,
            metrics: self.metrics.clone(),
        })
    }
}

// === impl OpenConnections ===

impl OpenConnections {
    /// Returns whether a source may open one more connection; counts a refusal.
    fn admits_source(
        &mut self,
        source: Option<IpAddr>,
        limits: ConnectionLimits,
        metrics: &ConnectionMetrics,
    ) -> bool {
        let (Some(limit), Some(source)) = (limits.per_source, source) else { return true };
        let is_full = self.sources.get(&source).is_some_and(|open| *open >= limit);
        if is_full && !self.make_room(Some(source), limits.when_full, metrics) {
            metrics.refused("source_full");
            return false;
        }
        true
    }

    /// Closes the connection that has been idle longest: of `source`, or else of the source with most connections.
    fn make_room(&mut self, source: Option<IpAddr>, when: WhenFull, metrics: &ConnectionMetrics) -> bool {
        if when == WhenFull::RefuseNew {
            return false;
        }
        let has = |source: Option<IpAddr>| source.and_then(|source| self.sources.get(&source)).copied();
        let waiting = self.open.iter().filter(|(_, connection)| connection.state == Activity::Idle);
        let candidates = waiting.filter(|(_, connection)| source.is_none() || connection.source == source);
        let longest =
            candidates.max_by_key(|(number, connection)| (has(connection.source), u64::MAX - **number));
        let Some(number) = longest.map(|(number, _)| *number) else { return false };
        if let Some(connection) = self.leave(number) {
            connection.evicted.notify_one();
        }
        metrics.refused("displaced");
        true
    }

    /// Removes a connection; `None` when it was removed before.
    fn leave(&mut self, number: u64) -> Option<OpenConnection> {
        let connection = self.open.remove(&number)?;
        if let Some(source) = connection.source
            && let Some(open) = self.sources.get_mut(&source)
        {
            *open -= 1;
            if *open == 0 {
                self.sources.remove(&source);
            }
        }
        Some(connection)
    }

    /// Sets what a connection is doing.
    fn set(&mut self, number: u64, state: Activity) {
        if let Some(connection) = self.open.get_mut(&number) {
            connection.state = state;
        }
    }
}

// === impl ConnectionPermit ===

impl ConnectionPermit {
    /// Counts the connection for its source once that is known; `false` when the source is over its limit.
    pub(super) fn set_source(&self, source: Option<IpAddr>) -> bool {
        let Some(source) = source.map(network) else { return true };
        let mut connections = lock(&self.connections);
        if !connections.admits_source(Some(source), self.limits, &self.metrics) {
            return false;
        }
        if let Some(connection) = connections.open.get_mut(&self.number) {
            connection.source = Some(source);
            *connections.sources.entry(source).or_default() += 1;
        }
        true
    }

    /// Returns the handle with which the application marks the connection as busy.
    pub fn activity(&self) -> ConnectionActivity {
        ConnectionActivity { number: self.number, connections: Arc::clone(&self.connections) }
    }

    /// Serves the connection until it ends, or until it must make room for another one.
    pub async fn serve<T>(&self, serving: impl Future<Output = T>) -> Option<T> {
        if self.limits.when_full == WhenFull::RefuseNew {
            return Some(serving.await);
        }
        tokio::select! {
            served = serving => Some(served),
            () = self.evicted.notified() => None,
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.metrics.closed();
        lock(&self.connections).leave(self.number);
    }
}

// === impl ConnectionActivity ===

impl ConnectionActivity {
    /// Marks the connection as busy, from a complete request head on.
    pub fn begin_request(&self) -> BusyGuard<'_> {
        lock(&self.connections).set(self.number, Activity::Busy);
        BusyGuard(self)
    }
}

impl Drop for BusyGuard<'_> {
    fn drop(&mut self) {
        lock(&self.0.connections).set(self.0.number, Activity::Idle);
    }
}

fn lock(connections: &Connections) -> MutexGuard<'_, OpenConnections> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the key that connections of one source share. The user of one address of an IPv6 /64 network can use all of them.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
