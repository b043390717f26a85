//! How many connections a listener takes, of all and of one source.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kyc_telemetry::{ConnectionMetrics, Metrics};
use tokio::sync::Notify;

/// What the connections of one listener may take.
#[derive(Clone, Copy, Debug)]
pub struct GateLimits {
    /// Connections that are open at a time.
    pub connections: usize,
    /// The same of one address, or of one IPv6 network of 64 bits.
    pub per_source: Option<usize>,
    /// The whole time for a TLS handshake.
    pub handshake: Duration,
    /// What happens to a new connection when the limits are reached.
    pub when_full: WhenFull,
}

/// What becomes of a new connection for which no place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It is closed.
    Refuse,
    /// It gets the place of a connection that waits for its next request, if there is one: whoever opens connections
    /// and sends nothing keeps nobody out. nginx does the same when its connections run out.
    CloseWaiting,
}

/// Counts the connections of one listener, from before their handshake to their end.
#[derive(Debug)]
pub struct Gate {
    pub(super) limits: GateLimits,
    pub(super) metrics: ConnectionMetrics,
    places: Places,
}

type Places = Arc<Mutex<Taken>>;

/// The places that are taken.
#[derive(Debug, Default)]
struct Taken {
    /// Connections by a number that grows.
    open: HashMap<u64, Place>,
    /// How many each source has.
    sources: HashMap<IpAddr, usize>,
    next: u64,
}

#[derive(Debug)]
struct Place {
    source: Option<IpAddr>,
    state: State,
    /// Says that the connection has to go.
    taken_away: Arc<Notify>,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It waits for the whole of its next request.
    Waits,
    /// It has a request that is worked on.
    Works,
}

/// A connection that was let in; its place is free again when this is dropped.
#[derive(Debug)]
pub struct Admitted {
    number: u64,
    taken_away: Arc<Notify>,
    places: Places,
    limits: GateLimits,
    metrics: ConnectionMetrics,
}

/// Lets whoever serves a connection say when it works on a request: a busy connection is not closed to make room for a
/// new one.
#[derive(Clone, Debug)]
pub struct ConnectionActivity {
    number: u64,
    places: Places,
}

/// A request that is being worked on; its connection waits again when this is dropped.
#[derive(Debug)]
pub struct Busy<'a>(&'a ConnectionActivity);

// === impl Gate ===

impl Gate {
    /// `listener`: the name that metrics count its connections under.
    pub fn new(listener: &str, limits: GateLimits, metrics: &Metrics) -> Self {
        Self { limits, metrics: metrics.listener(listener), places: Arc::default() }
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        lock(&self.places).open.len()
    }

    /// Lets a connection in, or counts why not.
    pub fn admit(&self, peer: Option<IpAddr>) -> Option<Admitted> {
        let mut places = lock(&self.places);
        let source = peer.map(network);
        if !places.has_room_for(source, self.limits, &self.metrics) {
            return None;
        }
        if places.open.len() >= self.limits.connections
            && !places.make_room(None, self.limits.when_full, &self.metrics)
        {
            self.metrics.refused("listener_full");
            return None;
        }
        if let Some(source) = source {
            *places.sources.entry(source).or_default() += 1;
        }
        let (number, taken_away) = (places.next, Arc::new(Notify::new()));
        places.next += 1;
        places
            .open
            .insert(number, Place { source, state: State::Waits, taken_away: Arc::clone(&taken_away) });
        self.metrics.opened();
        Some(Admitted {
            number,
            taken_away,
            places: Arc::clone(&self.places),
            limits: self.limits,
            metrics: self.metrics.clone(),
        })
    }
}

// === impl Taken ===

impl Taken {
    /// Says whether a source may have one more connection, or counts why not.
    fn has_room_for(
        &mut self,
        source: Option<IpAddr>,
        limits: GateLimits,
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

    /// Takes the place of the connection that has waited longest: of `source`, or of the source that has most.
    fn make_room(&mut self, source: Option<IpAddr>, when: WhenFull, metrics: &ConnectionMetrics) -> bool {
        if when == WhenFull::Refuse {
            return false;
        }
        let has = |source: Option<IpAddr>| source.and_then(|source| self.sources.get(&source)).copied();
        let waiting = self.open.iter().filter(|(_, place)| place.state == State::Waits);
        let candidates = waiting.filter(|(_, place)| source.is_none() || place.source == source);
        let longest = candidates.max_by_key(|(number, place)| (has(place.source), u64::MAX - **number));
        let Some(number) = longest.map(|(number, _)| *number) else { return false };
        if let Some(place) = self.leave(number) {
            place.taken_away.notify_one();
        }
        metrics.refused("displaced");
        true
    }

    /// Frees a place; `None` when it was taken away before.
    fn leave(&mut self, number: u64) -> Option<Place> {
        let place = self.open.remove(&number)?;
        if let Some(source) = place.source
            && let Some(open) = self.sources.get_mut(&source)
        {
            *open -= 1;
            if *open == 0 {
                self.sources.remove(&source);
            }
        }
        Some(place)
    }

    /// Notes what a connection does now.
    fn set(&mut self, number: u64, state: State) {
        if let Some(place) = self.open.get_mut(&number) {
            place.state = state;
        }
    }
}

// === impl Admitted ===

impl Admitted {
    /// Counts the connection for a source that is known only now; says whether there was room, or counts why not.
    pub(super) fn comes_from(&self, source: Option<IpAddr>) -> bool {
        let Some(source) = source.map(network) else { return true };
        let mut places = lock(&self.places);
        if !places.has_room_for(Some(source), self.limits, &self.metrics) {
            return false;
        }
        if let Some(place) = places.open.get_mut(&self.number) {
            place.source = Some(source);
            *places.sources.entry(source).or_default() += 1;
        }
        true
    }

    /// For whoever serves the connection.
    pub fn activity(&self) -> ConnectionActivity {
        ConnectionActivity { number: self.number, places: Arc::clone(&self.places) }
    }

    /// Serves the connection until its end, or until its place is taken away.
    pub async fn serve<T>(&self, serving: impl Future<Output = T>) -> Option<T> {
        if self.limits.when_full == WhenFull::Refuse {
            return Some(serving.await);
        }
        tokio::select! {
            served = serving => Some(served),
            () = self.taken_away.notified() => None,
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.metrics.closed();
        lock(&self.places).leave(self.number);
    }
}

// === impl ConnectionActivity ===

impl ConnectionActivity {
    /// Marks the connection as busy with a request whose head is whole.
    pub fn begin_request(&self) -> Busy<'_> {
        lock(&self.places).set(self.number, State::Works);
        Busy(self)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        lock(&self.0.places).set(self.0.number, State::Waits);
    }
}

fn lock(places: &Places) -> MutexGuard<'_, Taken> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who has one address of an IPv6 network of 64 bits has all of them.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
