//! What is under way for one tenant.

use std::collections::HashMap;

use tokio::time::Instant;

use super::breaker::{Allowed, Breaker};
use crate::store::Claim;

/// The deliveries of one tenant, and its breaker.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) breaker: Breaker,
    /// Events under way, and whether each is a retry.
    under_way: HashMap<Claim, bool>,
}

// === impl Lane ===

impl Lane {
    pub(super) fn new() -> Self {
        Self { breaker: Breaker::new(), under_way: HashMap::new() }
    }

    /// How many more may begin now.
    pub(super) fn room(&self, limit: usize, now: Instant) -> usize {
        match self.breaker.allows(now) {
            Allowed::All => limit.saturating_sub(self.under_way.len()),
            Allowed::Probe => 1,
            Allowed::NotBefore(_) | Allowed::Nothing => 0,
        }
    }

    /// Notes that an event is sent.
    pub(super) fn begin(&mut self, claim: Claim, is_retry: bool) {
        if self.breaker.code() != 0 {
            self.breaker.probe();
        }
        self.under_way.insert(claim, is_retry);
    }

    /// Notes that it has ended.
    pub(super) fn end(&mut self, claim: Claim) {
        self.under_way.remove(&claim);
    }

    pub(super) fn claims(&self) -> impl Iterator<Item = Claim> {
        self.under_way.keys().copied()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn retries(&self) -> usize {
        self.under_way.values().filter(|is_retry| **is_retry).count()
    }
}
