//! Idle connections to upstreams.
//!
//! A connection is taken by its exact key (address, host and tenant), the one that was used last first. No task watches an idle
//! connection: one that the upstream has closed is found when it is taken, which costs no system call, and by a sweep once a
//! second while there are idle connections. Beyond the capacity the connection that is idle for longest is closed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt;
use http::HeaderValue;
use kyc_model::{Tenant, TenantName, UpstreamBase};
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep};

/// What two requests must have in common to use the same connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ConnectionKey {
    address: SocketAddr,
    is_tls: bool,
    /// Host and port of the URL, whose host the certificate was checked for.
    authority: HeaderValue,
    /// The tenant's name and the fingerprint of its entry. A connection belongs to one tenant, with one credential: should an
    /// upstream misread where a request or a response ends, what follows on the connection is no other tenant's.
    tenant: Option<(TenantName, u64)>,
}

/// The idle connections of a listener's proxy.
#[derive(Debug)]
pub(super) struct IdleConnections {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    /// Per key, the connection that is idle for longest first. No entry is empty.
    groups: HashMap<ConnectionKey, VecDeque<IdleConnection>>,
    /// The keys of all connections by their number: the first one is idle for longest.
    order: BTreeMap<u64, ConnectionKey>,
    next_number: u64,
    capacity: usize,
    is_swept: bool,
}

#[derive(Debug)]
struct IdleConnection {
    number: u64,
    stream: Stream,
    /// `None`: never, for a time that the clock cannot express.
    expires: Option<Instant>,
}

// === impl ConnectionKey ===

impl ConnectionKey {
    /// The key of connections to `address` for requests of `tenant` to `base`.
    pub(super) fn new(address: SocketAddr, base: &UpstreamBase, tenant: Option<&Tenant>) -> Self {
        let tenant = tenant.map(|tenant| (tenant.name.clone(), tenant.fingerprint));
        Self { address, is_tls: base.is_tls(), authority: base.authority().clone(), tenant }
    }
}

// === impl IdleConnections ===

impl IdleConnections {
    /// Begins without connections, and keeps `capacity` at most.
    pub(super) fn new(capacity: usize) -> Self {
        let shared = Shared {
            groups: HashMap::new(),
            order: BTreeMap::new(),
            next_number: 0,
            capacity,
            is_swept: false,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Takes the connection of this key that was used last, if its upstream has neither closed it nor sent anything.
    pub(super) fn take(&self, key: &ConnectionKey) -> Option<Stream> {
        loop {
            // The lock is released before a connection is checked, and before one is closed.
            let mut connection = lock(&self.shared).pop(key)?;
            if !connection.is_dead(Instant::now()) {
                return Some(connection.stream);
            }
        }
    }

    /// Keeps a connection for `idle_timeout`, unless its upstream has closed it or has sent more than its response.
    pub(super) fn put(&self, key: ConnectionKey, mut stream: Stream, idle_timeout: Duration) {
        if !is_quiet(&mut stream) {
            return;
        }
        let expires = Instant::now().checked_add(idle_timeout);
        let mut shared = lock(&self.shared);
        shared.push(key, stream, expires);
        let evicted = shared.pop_excess();
        let starts_sweeping = !std::mem::replace(&mut shared.is_swept, true);
        drop(shared);
        // Closes it outside of the lock.
        drop(evicted);
        if starts_sweeping {
            tokio::spawn(sweep(Arc::downgrade(&self.shared)));
        }
    }
}

/// Closes idle connections that have expired or that their upstream has closed, until there are none.
async fn sweep(shared: Weak<Mutex<Shared>>) {
    loop {
        sleep(SWEEP_INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut guard = lock(&shared);
        let closed = guard.pop_dead(Instant::now());
        guard.is_swept = !guard.order.is_empty();
        let is_swept = guard.is_swept;
        drop(guard);
        drop(closed);
        if !is_swept {
            return;
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether nothing can be read from an idle connection: neither its end nor bytes that no request asked for.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0; 1];
    // `unconstrained` bypasses tokio's cooperative budget, with which a closed connection could look quiet.
    unconstrained(stream.read(&mut byte)).now_or_never().is_none()
}

// === impl IdleConnection ===

impl IdleConnection {
    /// Returns whether it has expired, or its upstream has closed it or has sent something.
    fn is_dead(&mut self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now) || !is_quiet(&mut self.stream)
    }
}

// === impl Shared ===

impl Shared {
    fn push(&mut self, key: ConnectionKey, stream: Stream, expires: Option<Instant>) {
        let number = self.next_number;
        self.next_number += 1;
        self.order.insert(number, key.clone());
        self.groups.entry(key).or_default().push_back(IdleConnection { number, stream, expires });
    }

    fn pop(&mut self, key: &ConnectionKey) -> Option<IdleConnection> {
        let group = self.groups.get_mut(key)?;
        let connection = group.pop_back()?;
        if group.is_empty() {
            self.groups.remove(key);
        }
        self.order.remove(&connection.number);
        Some(connection)
    }

    /// The connection that is idle for longest, where there are more than the capacity.
    fn pop_excess(&mut self) -> Option<IdleConnection> {
        if self.order.len() <= self.capacity {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        let group = self.groups.get_mut(&key)?;
        let oldest = group.pop_front();
        if group.is_empty() {
            self.groups.remove(&key);
        }
        oldest
    }

    /// Those that have expired, or whose upstream has closed them or sent something.
    fn pop_dead(&mut self, now: Instant) -> Vec<IdleConnection> {
        let mut dead = Vec::new();
        for group in self.groups.values_mut() {
            for place in (0..group.len()).rev() {
                let is_dead = group.get_mut(place).is_some_and(|idle| idle.is_dead(now));
                if is_dead {
                    dead.extend(group.remove(place));
                }
            }
        }
        self.groups.retain(|_, group| !group.is_empty());
        for connection in &dead {
            self.order.remove(&connection.number);
        }
        dead
    }
}

/// An upstream that closes an idle connection waits for the gateway's end of it for so long at most.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
