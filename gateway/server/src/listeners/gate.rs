//! How many connections a listener takes, of all and of one source.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kyc_telemetry::{ConnectionMetrics, Metrics};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the connections of one listener may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateLimits {
    /// Connections that are open at a time.
    pub(crate) connections: usize,
    /// The same of one address, or of one IPv6 network of 64 bits.
    pub(crate) per_source: Option<usize>,
    /// The whole time for a TLS handshake.
    pub(crate) handshake: Duration,
}

/// Open connections by where they come from.
type Sources = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Counts the connections of one listener, from before their handshake to their end.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(super) limits: GateLimits,
    pub(super) metrics: ConnectionMetrics,
    places: Arc<Semaphore>,
    sources: Sources,
}

/// A connection that was let in; its places are free again when this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    _place: OwnedSemaphorePermit,
    source: Option<(Sources, IpAddr)>,
    metrics: ConnectionMetrics,
}

// === impl Gate ===

impl Gate {
    pub(crate) fn new(listener: &str, limits: GateLimits, metrics: &Metrics) -> Self {
        let places = limits.connections.min(Semaphore::MAX_PERMITS);
        Self {
            limits,
            metrics: metrics.listener(listener),
            places: Arc::new(Semaphore::new(places)),
            sources: Arc::default(),
        }
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.limits.connections.min(Semaphore::MAX_PERMITS) - self.places.available_permits()
    }

    /// Lets a connection in, or counts why not.
    pub(super) fn admit(&self, peer: Option<IpAddr>) -> Option<Admitted> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.refused("listener_full");
            return None;
        };
        let mut source = None;
        if let (Some(limit), Some(peer)) = (self.limits.per_source, peer.map(network)) {
            let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            let open = sources.entry(peer).or_default();
            if *open >= limit {
                self.metrics.refused("source_full");
                return None;
            }
            *open += 1;
            source = Some((Arc::clone(&self.sources), peer));
        }
        self.metrics.opened();
        Some(Admitted { _place: place, source, metrics: self.metrics.clone() })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.metrics.closed();
        let Some((sources, peer)) = self.source.take() else { return };
        let mut sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = sources.get_mut(&peer) {
            *open -= 1;
            if *open == 0 {
                sources.remove(&peer);
            }
        }
    }
}

/// Who has one address of an IPv6 network of 64 bits has all of them.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: usize, per_source: Option<usize>) -> Gate {
        let limits = GateLimits { connections, per_source, handshake: Duration::from_secs(1) };
        Gate::new("main", limits, &Metrics::new().unwrap())
    }

    fn peer(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn places_are_held_until_the_connection_ends() {
        let gate = gate(2, None);

        let first = gate.admit(None);
        let second = gate.admit(None);
        let third = gate.admit(None);
        drop(first);
        let again = gate.admit(None);

        assert!(second.is_some() && third.is_none() && again.is_some());
    }

    #[test]
    fn each_source_has_its_own_places() {
        let gate = gate(10, Some(1));
        let rows = [
            ("192.0.2.1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8::ffff:2", false),
            ("2001:db8:0:1::1", true),
        ];

        let admitted = rows.map(|(address, _)| gate.admit(peer(address)));

        assert_eq!(admitted.each_ref().map(Option::is_some), rows.map(|(_, expected)| expected));
        drop(admitted);
        assert!(gate.sources.lock().unwrap().is_empty(), "nothing is kept of who is gone");
    }
}
