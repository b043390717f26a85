//! What is under way for one tenant.

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
    /// Events under way, and whether each is a retry.
    under_way: HashMap<Claim, bool>,
    /// When its portal has answered to an event last.
    answered: Option<Instant>,
    /// The names that its events were received for; the first one has its turn.
    names: Vec<Arc<str>>,
    /// The tenant's entry, as its fingerprint tells it from others.
    entry: Option<u64>,
    /// What was held by the portal is due since the breaker opened last.
    is_pulled: bool,
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
            is_pulled: false,
        }
    }

    /// How many more may begin now, of `limit` for each tenant and `free` for all. A portal that has not answered lately
    /// may hang, and gets few places; and no lane waits for others to begin at all.
    pub(crate) fn room(&self, limit: usize, free: usize, now: Instant) -> usize {
        let limit = if self.answers(now) { limit } else { limit.min(MAX_UNPROVEN) };
        let room = match self.breaker.allows(now) {
            Allowed::All => limit.saturating_sub(self.under_way.len()),
            Allowed::Probe => 1,
            Allowed::Login | Allowed::NotBefore(_) | Allowed::Nothing => 0,
        };
        room.min(free.max(self.reserved()))
    }

    /// Says whether what begins now is the breaker's probe.
    pub(crate) fn probes(&self, now: Instant) -> bool {
        self.breaker.allows(now) == Allowed::Probe
    }

    /// The places that it has whatever others have: one while it has nothing under way.
    pub(crate) fn reserved(&self) -> usize {
        usize::from(self.is_idle())
    }

    /// Says whether it has nothing under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Notes that the portal has answered, whether it took the event or not; says whether it is the first time.
    pub(crate) fn answered(&mut self, now: Instant) -> bool {
        self.answered.replace(now).is_none()
    }

    /// Notes that it has events that were received for a name.
    pub(crate) fn has_name(&mut self, name: &Arc<str>) {
        if !self.names.contains(name) {
            self.names.push(Arc::clone(name));
        }
    }

    pub(crate) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Notes that events of a name had their turn: the others are first now.
    pub(crate) fn had_turn(&mut self, name: &Arc<str>) {
        if let Some(place) = self.names.iter().position(|known| known == name)
            && let Some(names) = self.names.get_mut(place..)
        {
            names.rotate_left(1);
        }
    }

    /// Notes which entry the tenant has; says whether it is another one than before.
    pub(crate) fn has_entry(&mut self, fingerprint: u64) -> bool {
        self.entry.replace(fingerprint).is_some_and(|before| before != fingerprint)
    }

    /// Says whether the tenant still has this entry.
    pub(crate) fn is_of_entry(&self, fingerprint: u64) -> bool {
        self.entry == Some(fingerprint)
    }

    /// Says, once for each time that the breaker opens, that what the portal holds must be made due, so that there is an
    /// event to ask it by.
    pub(crate) fn wants_events(&mut self, now: Instant) -> bool {
        let wants = self.probes(now);
        wants && !std::mem::replace(&mut self.is_pulled, wants)
    }

    /// Notes that the breaker may have opened again.
    pub(crate) fn may_be_held(&mut self) {
        self.is_pulled = false;
    }

    fn answers(&self, now: Instant) -> bool {
        self.answered.is_some_and(|answered| now.saturating_duration_since(answered) < PROVEN_FOR)
    }

    /// Notes that an event is sent.
    pub(crate) fn begin(&mut self, claim: Claim, is_retry: bool) {
        if self.breaker.code() != 0 {
            self.breaker.probe();
        }
        self.under_way.insert(claim, is_retry);
    }

    /// Notes that it has ended; says whether it was a retry, and nothing if it was not under way.
    pub(crate) fn end(&mut self, claim: Claim) -> Option<bool> {
        self.under_way.remove(&claim)
    }

    pub(crate) fn claims(&self) -> impl Iterator<Item = Claim> {
        self.under_way.keys().copied()
    }
}

/// Places of a portal that has not answered lately.
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

    /// Eight hanging portals took all 64 places, and a healthy tenant waited for half a minute.
    #[tokio::test(start_paused = true)]
    async fn a_portal_that_does_not_answer_has_few_places_and_others_have_one_always() {
        let now = Instant::now();
        let mut proven = with_under_way(2);
        proven.answered(now);

        assert_eq!([0, 1, 2, 3].map(|count| with_under_way(count).room(8, 100, now)), [2, 1, 0, 0]);
        assert_eq!([0, 1].map(|count| with_under_way(count).room(8, 0, now)), [1, 0], "all places are taken");
        assert_eq!((proven.room(8, 100, now), proven.room(8, 3, now)), (6, 3));
        assert_eq!(proven.room(8, 100, now + Duration::from_secs(61)), 0, "it has not answered for a minute");
    }
}
