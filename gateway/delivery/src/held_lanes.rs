//! The lanes that are held, ordered by the time of their next probe, so that no event costs a scan of all lanes.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::scheduler::POLL_INTERVAL;

/// Lanes whose deliveries are held.
#[derive(Debug, Default)]
pub(crate) struct HeldLanes {
    /// `None` while a probe is in flight.
    lanes: HashMap<String, Option<Instant>>,
    by_time: BTreeSet<(Instant, String)>,
}

// === impl HeldLanes ===

impl HeldLanes {
    /// Holds a lane until a time, or with `None` until its probe has ended.
    pub(crate) fn hold(&mut self, lane: &str, until: Option<Instant>) {
        self.release(lane);
        self.lanes.insert(lane.to_owned(), until);
        self.by_time.extend(until.map(|until| (until, lane.to_owned())));
    }

    /// Removes a lane whose hold has ended.
    pub(crate) fn release(&mut self, lane: &str) {
        if let Some(Some(until)) = self.lanes.remove(lane) {
            self.by_time.remove(&(until, lane.to_owned()));
        }
    }

    /// Returns the number of held lanes.
    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Makes a held lane due at once.
    pub(crate) fn make_due(&mut self, lane: &str, now: Instant) {
        if self.lanes.contains_key(lane) {
            self.hold(lane, Some(now));
        }
    }

    /// Returns the lanes whose next probe is due. Each is due again in a second, unless its hold changes.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        while self.by_time.first().is_some_and(|(until, _)| *until <= now) {
            due.extend(self.by_time.pop_first().map(|(_, lane)| lane));
        }
        for lane in &due {
            self.hold(lane, Some(now + POLL_INTERVAL));
        }
        due
    }

    /// Returns the time until the next probe, at most [`POLL_INTERVAL`].
    pub(crate) fn pause(&self, now: Instant) -> Duration {
        self.by_time
            .first()
            .map_or(POLL_INTERVAL, |(until, _)| until.saturating_duration_since(now).min(POLL_INTERVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn held_lane_is_polled_at_its_probe_time_and_then_every_second() {
        let (mut held, now) = (HeldLanes::default(), Instant::now());
        held.hold("acme", Some(now + SECOND));
        held.hold("globex", Some(now + 2 * SECOND));
        held.hold("initech", None);

        let early = (held.due(now), held.pause(now));
        let due = held.due(now + SECOND);
        held.hold("globex", Some(now + 9 * SECOND));
        held.release("initech");
        let later = held.due(now + 2 * SECOND);

        assert_eq!(early, (Vec::new(), SECOND));
        assert_eq!((due, later), (vec!["acme".to_owned()], vec!["acme".to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn only_held_lanes_can_be_made_due() {
        let (mut held, now) = (HeldLanes::default(), Instant::now());
        held.hold("acme", Some(now + 9 * SECOND));
        held.hold("globex", None);

        for lane in ["acme", "globex", "initech"] {
            held.make_due(lane, now);
        }
        held.release("globex");

        assert_eq!((held.pause(now), held.due(now)), (Duration::ZERO, vec!["acme".to_owned()]));
    }
}
