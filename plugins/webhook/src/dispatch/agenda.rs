//! Which lanes have something to do, kept in memory: a look at all of them costs a step of the store for each tenant, so
//! with a thousand tenants nothing else would be done. What is stored and what ends here is noted; the store is asked for
//! the rest once a second, and soon after another gateway or an operator has changed something.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{Millis, Waiting};

/// The lanes with the times at which something of them is due, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    lanes: HashMap<String, BTreeSet<Millis>>,
    looked: Option<Instant>,
    /// Somebody else has changed something.
    is_outdated: bool,
}

// === impl Agenda ===

impl Agenda {
    /// Takes what the store says.
    pub(super) fn refresh(&mut self, waiting: Vec<Waiting>, now: Instant) {
        let mut known = std::mem::take(&mut self.lanes);
        for lane in waiting {
            let mut due = known.remove(&lane.tenant).unwrap_or_default();
            due.insert(lane.first_due);
            self.lanes.insert(lane.tenant, due);
        }
        (self.looked, self.is_outdated) = (Some(now), false);
    }

    /// Notes that something else than this dispatcher has changed the store.
    pub(super) fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// How long the store need not be asked.
    pub(super) fn good_for(&self, now: Instant) -> Duration {
        let Some(looked) = self.looked else { return Duration::ZERO };
        let interval = if self.is_outdated { SOON } else { LOOK };
        (looked + interval).saturating_duration_since(now)
    }

    /// Notes that an event of a lane is due at some time.
    pub(super) fn note(&mut self, name: &str, due: Millis) {
        if !self.lanes.contains_key(name) {
            self.lanes.insert(name.to_owned(), BTreeSet::new());
        }
        if let Some(known) = self.lanes.get_mut(name) {
            known.insert(due);
            if known.len() > KNOWN {
                known.pop_last();
            }
        }
    }

    /// Says whether a lane has anything that waits, as far as is known.
    pub(super) fn has(&self, name: &str) -> bool {
        self.lanes.contains_key(name)
    }

    /// Notes that nothing of a lane is due that is not under way.
    pub(super) fn is_done(&mut self, name: &str, clock: Millis) {
        if let Some(known) = self.lanes.get_mut(name) {
            known.retain(|due| *due > clock);
            if known.is_empty() {
                self.lanes.remove(name);
            }
        }
    }

    /// The lanes that are due, another one first at each turn, and how long no other one is.
    pub(super) fn due(&self, clock: Millis, turn: usize) -> (Vec<String>, Duration) {
        let first = |known: &BTreeSet<Millis>| known.first().copied().unwrap_or(Millis::MAX);
        let ahead = self
            .lanes
            .values()
            .map(|known| first(known).saturating_sub(clock))
            .filter(|ahead| *ahead > 0)
            .min();
        let pause = ahead.and_then(|ahead| u64::try_from(ahead).ok()).map_or(LOOK, Duration::from_millis);
        let mut due: Vec<String> = self
            .lanes
            .iter()
            .filter(|(_, known)| first(known) <= clock)
            .map(|(name, _)| name.clone())
            .collect();
        if !due.is_empty() {
            let first = turn % due.len();
            due.rotate_left(first);
        }
        (due, pause)
    }
}

/// How long the dispatcher goes by what it knows: what was due and not seen is seen then.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// The same, when it knows that something has changed.
const SOON: Duration = Duration::from_millis(100);
/// Times of a lane that are known at most; the later ones come with a look.
const KNOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(tenant: &str, first_due: Millis) -> Waiting {
        Waiting { tenant: tenant.to_owned(), first_due }
    }

    /// All lanes were looked at after each event: 1,000 waiting tenants brought a database down to 8 events a second.
    #[tokio::test(start_paused = true)]
    async fn the_store_is_asked_once_a_second_however_many_events_end() {
        let mut agenda = Agenda::default();
        let begin = Instant::now();
        let mut looks = 0;

        for event in 0..5000_u64 {
            let now = begin + Duration::from_millis(event);
            if agenda.good_for(now).is_zero() {
                agenda.refresh((0..1000).map(|n| lane(&format!("t{n}"), 0)).collect(), now);
                looks += 1;
            }
            agenda.note("t1", 10_000);
        }

        assert_eq!(looks, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_have_stored_is_seen_soon() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        agenda.refresh(Vec::new(), now);

        let quiet = agenda.good_for(now);
        agenda.outdate();

        assert_eq!((quiet, agenda.good_for(now)), (LOOK, SOON));
        assert_eq!(agenda.good_for(now + SOON), Duration::ZERO);
    }

    #[test]
    fn lanes_take_turns_and_tell_when_the_next_one_is_due() {
        let mut agenda = Agenda::default();
        for (name, due) in [("a", 5), ("b", 10), ("a", 200), ("later", 300)] {
            agenda.note(name, due);
        }

        let (first, pause) = agenda.due(10, 0);
        let (second, _) = agenda.due(10, 1);
        agenda.is_done("a", 10);
        let (rest, until_next) = agenda.due(10, 0);

        assert_eq!((first.len(), pause), (2, Duration::from_millis(290)));
        assert_eq!(second.first(), first.last());
        assert_eq!((rest, until_next), (vec!["b".to_owned()], Duration::from_millis(190)));
    }
}
