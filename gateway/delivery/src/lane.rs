//! The lane of one tenant: its circuit breaker and its attempts in flight.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kyc_events::Claim;
use tokio::time::Instant;

use crate::breaker::{Allowed, Breaker};
use crate::hold_log::HoldLog;

/// The deliveries of one tenant, and its breaker.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) breaker: Breaker,
    pub(crate) hold_log: HoldLog,
    /// Attempts in flight, and whether each is a retry.
    under_way: HashMap<Claim, bool>,
    /// When its portal last answered a delivery.
    answered: Option<Instant>,
    /// The tenant names that its events were received for; the first one is served next.
    names: Vec<Arc<str>>,
    /// The fingerprint of the tenant's entry.
    entry: Option<u64>,
    /// Waiting events were made due since the breaker opened.
    is_pulled_forward: bool,
}

// === impl Lane ===

impl Lane {
    pub(crate) fn new() -> Self {
        Self {
            breaker: Breaker::new(),
            hold_log: HoldLog::default(),
            under_way: HashMap::new(),
            answered: None,
            names: Vec::new(),
            entry: None,
            is_pulled_forward: false,
        }
    }

    /// Returns how many more attempts may start: `limit` is per tenant, `free` is the total. A portal that has not answered lately may
    /// hang, and gets few slots. A lane with nothing in flight may always start one.
    pub(crate) fn room(&self, limit: usize, free: usize, now: Instant) -> usize {
        let limit = if self.answers(now) { limit } else { limit.min(MAX_UNPROVEN) };
        let room = match self.breaker.allows(now) {
            Allowed::All => limit.saturating_sub(self.under_way.len()),
            Allowed::Probe => 1,
            Allowed::Login | Allowed::NotBefore(_) | Allowed::Nothing => 0,
        };
        room.min(free.max(self.reserved()))
    }

    /// Returns whether the next attempt is the breaker's probe.
    pub(crate) fn probes(&self, now: Instant) -> bool {
        self.breaker.allows(now) == Allowed::Probe
    }

    /// Slots that are reserved for it: one while nothing is in flight.
    pub(crate) fn reserved(&self) -> usize {
        usize::from(self.is_idle())
    }

    /// Returns whether nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Records an answer of the portal, successful or not; returns whether it is the first one.
    pub(crate) fn answered(&mut self, now: Instant) -> bool {
        self.answered.replace(now).is_none()
    }

    /// Adds a tenant name that its events were received for.
    pub(crate) fn add_name(&mut self, name: &Arc<str>) {
        if !self.names.contains(name) {
            self.names.push(Arc::clone(name));
        }
    }

    pub(crate) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Moves a name behind the others after its events were started.
    pub(crate) fn rotate_names(&mut self, name: &Arc<str>) {
        if let Some(place) = self.names.iter().position(|known| known == name)
            && let Some(names) = self.names.get_mut(place..)
        {
            names.rotate_left(1);
        }
    }

    /// Stores the fingerprint of the tenant's entry; returns whether it has changed.
    pub(crate) fn set_entry(&mut self, fingerprint: u64) -> bool {
        self.entry.replace(fingerprint).is_some_and(|before| before != fingerprint)
    }

    /// Returns whether the tenant still has this entry.
    pub(crate) fn is_of_entry(&self, fingerprint: u64) -> bool {
        self.entry == Some(fingerprint)
    }

    /// Returns true once each time the breaker opens for an event probe: waiting events must be made due, so that there is
    /// one to send.
    pub(crate) fn needs_probe_event(&mut self, now: Instant) -> bool {
        let is_probe_due = self.probes(now);
        is_probe_due && !std::mem::replace(&mut self.is_pulled_forward, is_probe_due)
    }

    /// Allows the next event probe to make waiting events due again.
    pub(crate) fn allow_pull_forward(&mut self) {
        self.is_pulled_forward = false;
    }

    fn answers(&self, now: Instant) -> bool {
        self.answered.is_some_and(|answered| now.saturating_duration_since(answered) < PROVEN_FOR)
    }

    /// Records the start of an attempt.
    pub(crate) fn begin(&mut self, claim: Claim, is_retry: bool) {
        if self.breaker.code() != 0 {
            self.breaker.probe();
        }
        self.under_way.insert(claim, is_retry);
    }

    /// Records the end of an attempt; returns whether it was a retry, or `None` if it was not in flight.
    pub(crate) fn end(&mut self, claim: Claim) -> Option<bool> {
        self.under_way.remove(&claim)
    }

    pub(crate) fn claims(&self) -> impl Iterator<Item = Claim> {
        self.under_way.keys().copied()
    }
}

/// Slots of a portal that has not answered lately.
const MAX_UNPROVEN: usize = 2;
const PROVEN_FOR: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn with_under_way(count: i64) -> Lane {
        let mut lane = Lane::new();
        for id in 0..count {
            lane.begin(Claim { id, epoch: 0 }, false);
        }
        lane
    }

    /// Regression: eight hanging portals used all 64 slots, and a healthy tenant waited for half a minute.
    #[tokio::test(start_paused = true)]
    async fn unresponsive_portal_gets_few_slots_and_others_always_one() {
        let now = Instant::now();
        let mut proven = with_under_way(2);
        proven.answered(now);

        assert_eq!([0, 1, 2, 3].map(|count| with_under_way(count).room(8, 100, now)), [2, 1, 0, 0]);
        assert_eq!([0, 1].map(|count| with_under_way(count).room(8, 0, now)), [1, 0], "all slots are taken");
        assert_eq!((proven.room(8, 100, now), proven.room(8, 3, now)), (6, 3));
        assert_eq!(proven.room(8, 100, now + Duration::from_secs(61)), 0, "it has not answered for a minute");
    }
}
