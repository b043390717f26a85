//! Decides which lane the dispatcher processes next.
//!
//! The scheduler keeps the due times of all lanes in memory, because a query for all of them costs one index lookup for
//! each tenant: with a thousand tenants the dispatcher would do nothing else. The gateway adds the events that it stores
//! and the retries that it plans. It reads the rest from the store once a second, and within 100 ms after another gateway
//! or an operator has changed something.
//!
//! An event must not cost a scan of all lanes either. The dispatcher processes a lane only after something has changed: an
//! event arrived, one became due, an attempt ended. Lanes that could start more events but found no free slot wait in a
//! first-in-first-out queue; lanes that have only retries due wait in a second one. The next read of the store restores
//! lanes that are missing from these queues.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kyc_events::{Millis, WaitingTenant};
use tokio::time::Instant;

/// The lanes with their known due times, and the queues that they wait in.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    lanes: HashMap<Arc<str>, LaneState>,
    /// Lanes in the queue `Ahead`, by their first due time.
    ahead: BTreeSet<(Millis, Arc<str>)>,
    /// Lanes that have changed and can be processed now.
    changed: VecDeque<Arc<str>>,
    /// Lanes that wait for a free slot.
    starved: VecDeque<Arc<str>>,
    /// Lanes that wait for a free retry slot.
    retrying: VecDeque<Arc<str>>,
    last_poll: Option<Instant>,
    /// Another process or an operator has changed the store.
    is_stale: bool,
}

/// The known state of a lane.
#[derive(Debug, Default)]
struct LaneState {
    due: BTreeSet<Millis>,
    queue: Queue,
    /// A read failed; the lane is not read again before this time.
    not_before: Option<Millis>,
    /// All its due events are retries.
    has_only_retries: bool,
}

/// The queue that a lane is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Queue {
    /// None: it was processed, and waits for the next change.
    #[default]
    None,
    Ahead(Millis),
    Changed,
    Starved,
    Retrying,
}

// === impl Scheduler ===

impl Scheduler {
    /// Replaces the due times with those read from the store. Every lane with due events is processed again; lanes that
    /// wait for a slot come first and keep their order.
    pub(crate) fn refresh(&mut self, waiting: Vec<WaitingTenant>, now: Instant) {
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
            before.has_only_retries &= !self.is_stale;
            self.lanes.insert(name, before);
        }
        for name in waited {
            if self.lanes.get(&name).is_some_and(|known| known.not_before.is_none()) {
                self.move_to(&name, Queue::Changed);
            }
        }
        let names: Vec<Arc<str>> = self.lanes.keys().cloned().collect();
        for name in names {
            self.queue_by_due_time(&name);
        }
        (self.last_poll, self.is_stale) = (Some(now), false);
    }

    /// Marks the known due times as stale, because an operator or another process has changed the store.
    pub(crate) fn mark_stale(&mut self) {
        self.is_stale = true;
    }

    /// Returns the time until the next read of the store.
    pub(crate) fn time_until_poll(&self, now: Instant) -> Duration {
        let Some(last_poll) = self.last_poll else { return Duration::ZERO };
        let interval = if self.is_stale { STALE_POLL_INTERVAL } else { POLL_INTERVAL };
        (last_poll + interval).saturating_duration_since(now)
    }

    /// Adds the due time of an event.
    pub(crate) fn add_due(&mut self, name: &str, due: Millis) {
        if !self.lanes.contains_key(name) {
            self.lanes.insert(name.into(), LaneState::default());
        }
        if let Some(known) = self.lanes.get_mut(name) {
            known.due.insert(due);
            if known.due.len() > MAX_DUE_TIMES {
                known.due.pop_last();
            }
        }
        self.queue_by_due_time(name);
    }

    /// Adds a new event, which is due at once.
    pub(crate) fn add_new_event(&mut self, name: &str, clock: Millis) {
        self.add_due(name, clock);
        let Some((name, known)) = self.lanes.get_key_value(name) else { return };
        let (name, is_retrying) = (Arc::clone(name), known.queue == Queue::Retrying);
        if let Some(known) = self.lanes.get_mut(&name) {
            known.has_only_retries = false;
        }
        if is_retrying {
            self.move_to(&name, Queue::Changed);
        }
    }

    /// Queues a lane that may have free slots again, if it has due events.
    pub(crate) fn wake(&mut self, name: &str, clock: Millis) {
        let Some((name, known)) = self.lanes.get_key_value(name) else { return };
        if known.not_before.is_none() && known.due.first().is_some_and(|due| *due <= clock) {
            let name = Arc::clone(name);
            self.move_to(&name, Queue::Changed);
        }
    }

    /// Returns whether all known due events of a lane are retries.
    pub(crate) fn has_only_retries(&self, name: &str) -> bool {
        self.lanes.get(name).is_some_and(|known| known.has_only_retries)
    }

    /// Returns whether a lane has known waiting events.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.lanes.contains_key(name)
    }

    /// Queues a lane for the next round.
    pub(crate) fn requeue(&mut self, name: &Arc<str>) {
        self.move_to(name, Queue::Changed);
    }

    /// Delays a lane whose read failed by one second.
    pub(crate) fn back_off(&mut self, name: &Arc<str>, clock: Millis) {
        let until = clock.saturating_add(i64::try_from(POLL_INTERVAL.as_millis()).unwrap_or(i64::MAX));
        if let Some(known) = self.lanes.get_mut(name) {
            known.not_before = Some(until);
        }
        self.move_to(name, Queue::Ahead(until));
    }

    /// Puts a lane into the queue for a free slot.
    pub(crate) fn wait_for_slot(&mut self, name: &Arc<str>) {
        self.move_to(name, Queue::Starved);
    }

    /// Puts a lane into the queue for a free retry slot.
    pub(crate) fn wait_for_retry_slot(&mut self, name: &Arc<str>) {
        if let Some(known) = self.lanes.get_mut(name) {
            known.has_only_retries = true;
        }
        self.move_to(name, Queue::Retrying);
    }

    /// Removes the due times that have passed: all due events are in flight.
    pub(crate) fn remove_due(&mut self, name: &str, clock: Millis) {
        let Some(known) = self.lanes.get_mut(name) else { return };
        known.due.retain(|due| *due > clock);
        known.has_only_retries = false;
        if known.due.is_empty() {
            if let Queue::Ahead(at) = known.queue {
                self.ahead.remove(&(at, name.into()));
            }
            self.lanes.remove(name);
        } else {
            self.queue_by_due_time(name);
        }
    }

    /// Queues the lanes whose next event is due now.
    pub(crate) fn queue_due_lanes(&mut self, clock: Millis) {
        while self.ahead.first().is_some_and(|(due, _)| *due <= clock) {
            let Some((_, name)) = self.ahead.pop_first() else { return };
            if let Some(known) = self.lanes.get_mut(&name) {
                (known.queue, known.not_before) = (Queue::Changed, None);
                self.changed.push_back(name);
            }
        }
    }

    /// Returns the time until the next event is due.
    pub(crate) fn time_until_due(&self, clock: Millis) -> Duration {
        let ahead = self.ahead.first().map(|(due, _)| due.saturating_sub(clock));
        ahead.map_or(POLL_INTERVAL, |ahead| Duration::from_millis(u64::try_from(ahead).unwrap_or_default()))
    }

    /// Returns the next lane that has changed.
    pub(crate) fn next_changed(&mut self) -> Option<Arc<str>> {
        next(&mut self.changed, &mut self.lanes, Queue::Changed)
    }

    /// Returns the lane that has waited longest for a slot.
    pub(crate) fn next_starved(&mut self) -> Option<Arc<str>> {
        next(&mut self.starved, &mut self.lanes, Queue::Starved)
    }

    /// Returns the lane that has waited longest for a retry slot.
    pub(crate) fn next_retrying(&mut self) -> Option<Arc<str>> {
        next(&mut self.retrying, &mut self.lanes, Queue::Retrying)
    }

    /// Queues a lane for its first due time.
    fn queue_by_due_time(&mut self, name: &str) {
        let Some((name, known)) = self.lanes.get_key_value(name) else { return };
        let Some(first) = known.due.first().copied().max(known.not_before) else { return };
        if matches!(known.queue, Queue::None | Queue::Ahead(_)) {
            let name = Arc::clone(name);
            self.move_to(&name, Queue::Ahead(first));
        }
    }

    fn move_to(&mut self, name: &Arc<str>, queue: Queue) {
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

/// Removes and returns the first lane that is still in this queue; entries of lanes that have moved are dropped.
fn next(
    names: &mut VecDeque<Arc<str>>,
    lanes: &mut HashMap<Arc<str>, LaneState>,
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

/// Interval between two reads of all lanes from the store.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The same interval after a known change by another process or an operator.
const STALE_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Due times kept per lane; the next read of the store finds later ones.
const MAX_DUE_TIMES: usize = 64;

#[cfg(test)]
mod tests;
