//! Which lanes have something to do, kept in memory: a look at all of them costs a step of the store for each tenant, so
//! with a thousand tenants nothing else would be done. What is stored and what ends here is noted; the store is asked for
//! the rest once a second, and soon after another gateway or an operator has changed something.
//!
//! Nor may each event cost a walk over all lanes. A lane is looked at when something of it has changed: an event came,
//! one became due, a try ended. Lanes that could begin more, and for which there was no place, wait in a queue for places,
//! and those that have only retries due in another one for places of retries; the one that has waited longest is first.
//! What is lost from the queues all the same comes back with the next look.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kyc_events::{Millis, Waiting};
use tokio::time::Instant;

/// The lanes with the times at which something of them is due, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    lanes: HashMap<Arc<str>, Known>,
    /// The lanes by the first of their times, but those that are in a queue or have been looked at since.
    ahead: BTreeSet<(Millis, Arc<str>)>,
    /// Lanes of which something has changed.
    changed: VecDeque<Arc<str>>,
    /// Lanes that wait for a place.
    starved: VecDeque<Arc<str>>,
    /// Lanes that wait for a place of retries.
    retrying: VecDeque<Arc<str>>,
    looked: Option<Instant>,
    /// Somebody else has changed something.
    is_outdated: bool,
}

/// What is known of a lane.
#[derive(Debug, Default)]
struct Known {
    due: BTreeSet<Millis>,
    queue: Queue,
    /// It could not be read, and is left alone until then.
    not_before: Option<Millis>,
    /// Everything that is due of it was tried before.
    has_only_retries: bool,
}

/// In which queue a lane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Queue {
    /// In none: it was looked at, and what it needs to go on will be noted.
    #[default]
    None,
    Ahead(Millis),
    Changed,
    Starved,
    Retrying,
}

// === impl Agenda ===

impl Agenda {
    /// Takes what the store says. All lanes of which something is due are looked at again, those that wait for a place
    /// first and in their order.
    pub(crate) fn refresh(&mut self, waiting: Vec<Waiting>, now: Instant) {
        let mut known = std::mem::take(&mut self.lanes);
        self.ahead.clear();
        self.changed.clear();
        let starved = std::mem::take(&mut self.starved).into_iter().map(|name| (name, Queue::Starved));
        let retrying = std::mem::take(&mut self.retrying).into_iter().map(|name| (name, Queue::Retrying));
        let waited: Vec<Arc<str>> = starved
            .chain(retrying)
            .filter(|(name, queue)| known.get(name).is_some_and(|lane| lane.queue == *queue))
            .map(|(name, _)| name)
            .collect();
        for lane in waiting {
            let name: Arc<str> = lane.tenant.into();
            let mut before = known.remove(&name).unwrap_or_default();
            before.due.insert(lane.first_due);
            before.queue = Queue::None;
            before.has_only_retries &= !self.is_outdated;
            self.lanes.insert(name, before);
        }
        for name in waited {
            if self.lanes.get(&name).is_some_and(|known| known.not_before.is_none()) {
                self.put(&name, Queue::Changed);
            }
        }
        let names: Vec<Arc<str>> = self.lanes.keys().cloned().collect();
        for name in names {
            self.plan(&name);
        }
        (self.looked, self.is_outdated) = (Some(now), false);
    }

    /// Notes that something else than this dispatcher has changed the store.
    pub(crate) fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// How long the store need not be asked.
    pub(crate) fn good_for(&self, now: Instant) -> Duration {
        let Some(looked) = self.looked else { return Duration::ZERO };
        let interval = if self.is_outdated { OUTDATED_POLL_INTERVAL } else { POLL_INTERVAL };
        (looked + interval).saturating_duration_since(now)
    }

    /// Notes that an event of a lane is due at some time.
    pub(crate) fn note(&mut self, name: &str, due: Millis) {
        if !self.lanes.contains_key(name) {
            self.lanes.insert(name.into(), Known::default());
        }
        if let Some(known) = self.lanes.get_mut(name) {
            known.due.insert(due);
            if known.due.len() > MAX_KNOWN_TIMES {
                known.due.pop_last();
            }
        }
        self.plan(name);
    }

    /// Notes that a new event has come.
    pub(crate) fn note_arrival(&mut self, name: &str, clock: Millis) {
        self.note(name, clock);
        let Some((name, known)) = self.lanes.get_key_value(name) else { return };
        let (name, is_retrying) = (Arc::clone(name), known.queue == Queue::Retrying);
        if let Some(known) = self.lanes.get_mut(&name) {
            known.has_only_retries = false;
        }
        if is_retrying {
            self.put(&name, Queue::Changed);
        }
    }

    /// Notes that a lane may be able to begin more, if anything of it is due.
    pub(crate) fn wake(&mut self, name: &str, clock: Millis) {
        let Some((name, known)) = self.lanes.get_key_value(name) else { return };
        if known.not_before.is_none() && known.due.first().is_some_and(|due| *due <= clock) {
            let name = Arc::clone(name);
            self.put(&name, Queue::Changed);
        }
    }

    /// Says whether everything that is due of a lane was tried before, as far as is known.
    pub(crate) fn has_only_retries(&self, name: &str) -> bool {
        self.lanes.get(name).is_some_and(|known| known.has_only_retries)
    }

    /// Says whether a lane has anything that waits, as far as is known.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.lanes.contains_key(name)
    }

    /// Has a lane looked at in the next round.
    pub(crate) fn look_again(&mut self, name: &Arc<str>) {
        self.put(name, Queue::Changed);
    }

    /// Has a lane looked at in a second: it could not be read.
    pub(crate) fn postpone(&mut self, name: &Arc<str>, clock: Millis) {
        let until = clock.saturating_add(i64::try_from(POLL_INTERVAL.as_millis()).unwrap_or(i64::MAX));
        if let Some(known) = self.lanes.get_mut(name) {
            known.not_before = Some(until);
        }
        self.put(name, Queue::Ahead(until));
    }

    /// Notes that a lane could begin more if there were a place for it.
    pub(crate) fn wants_place(&mut self, name: &Arc<str>) {
        self.put(name, Queue::Starved);
    }

    /// Notes that a lane may have more due if it had a place for retries.
    pub(crate) fn wants_retry_place(&mut self, name: &Arc<str>) {
        if let Some(known) = self.lanes.get_mut(name) {
            known.has_only_retries = true;
        }
        self.put(name, Queue::Retrying);
    }

    /// Notes that nothing of a lane is due that is not under way.
    pub(crate) fn note_done(&mut self, name: &str, clock: Millis) {
        let Some(known) = self.lanes.get_mut(name) else { return };
        known.due.retain(|due| *due > clock);
        known.has_only_retries = false;
        if known.due.is_empty() {
            if let Queue::Ahead(at) = known.queue {
                self.ahead.remove(&(at, name.into()));
            }
            self.lanes.remove(name);
        } else {
            self.plan(name);
        }
    }

    /// Brings the lanes up of which something is due now.
    pub(crate) fn advance(&mut self, clock: Millis) {
        while self.ahead.first().is_some_and(|(due, _)| *due <= clock) {
            let Some((_, name)) = self.ahead.pop_first() else { return };
            if let Some(known) = self.lanes.get_mut(&name) {
                (known.queue, known.not_before) = (Queue::Changed, None);
                self.changed.push_back(name);
            }
        }
    }

    /// How long nothing becomes due.
    pub(crate) fn pause(&self, clock: Millis) -> Duration {
        let ahead = self.ahead.first().map(|(due, _)| due.saturating_sub(clock));
        ahead.map_or(POLL_INTERVAL, |ahead| Duration::from_millis(u64::try_from(ahead).unwrap_or_default()))
    }

    /// The next lane of which something has changed.
    pub(crate) fn next_changed(&mut self) -> Option<Arc<str>> {
        next(&mut self.changed, &mut self.lanes, Queue::Changed)
    }

    /// The lane that has waited longest for a place.
    pub(crate) fn next_starved(&mut self) -> Option<Arc<str>> {
        next(&mut self.starved, &mut self.lanes, Queue::Starved)
    }

    /// The lane that has waited longest for a place of retries.
    pub(crate) fn next_retrying(&mut self) -> Option<Arc<str>> {
        next(&mut self.retrying, &mut self.lanes, Queue::Retrying)
    }

    /// Has a lane looked at when the first of its times has come.
    fn plan(&mut self, name: &str) {
        let Some((name, known)) = self.lanes.get_key_value(name) else { return };
        let Some(first) = known.due.first().copied().max(known.not_before) else { return };
        if matches!(known.queue, Queue::None | Queue::Ahead(_)) {
            let name = Arc::clone(name);
            self.put(&name, Queue::Ahead(first));
        }
    }

    fn put(&mut self, name: &Arc<str>, queue: Queue) {
        let Some(known) = self.lanes.get_mut(name) else { return };
        let before = std::mem::replace(&mut known.queue, queue);
        if before == queue {
            return;
        }
        if let Queue::Ahead(at) = before {
            self.ahead.remove(&(at, Arc::clone(name)));
        }
        let name = Arc::clone(name);
        match queue {
            Queue::None => {}
            Queue::Ahead(at) => drop(self.ahead.insert((at, name))),
            Queue::Changed => self.changed.push_back(name),
            Queue::Starved => self.starved.push_back(name),
            Queue::Retrying => self.retrying.push_back(name),
        }
    }
}

/// Takes the first lane that is still in this queue; it may have got into another one since.
fn next(
    names: &mut VecDeque<Arc<str>>,
    lanes: &mut HashMap<Arc<str>, Known>,
    queue: Queue,
) -> Option<Arc<str>> {
    loop {
        let name = names.pop_front()?;
        if let Some(known) = lanes.get_mut(&name)
            && known.queue == queue
        {
            known.queue = Queue::None;
            return Some(name);
        }
    }
}

/// How long the dispatcher goes by what it knows: what was due and not seen is seen then.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The same, when it knows that something has changed.
const OUTDATED_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Times of a lane that are known at most; the later ones come with a look.
const MAX_KNOWN_TIMES: usize = 64;

#[cfg(test)]
mod tests;
