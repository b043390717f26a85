//! The status of deliveries, for the admin API and metrics. The dispatcher writes it; readers may read it at any time.
//!
//! It stores times, not ages, so that a value is correct when it is read. Values that the dispatcher has not renewed for
//! [`MAX_AGE`] are not reported: a stale number would hide that the dispatcher has stopped.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kyc_events::{Backlog, LedgerCounts, Millis, ParkedCount, now};
use tokio::time::Instant;

use crate::breaker::Cause;

/// The status of the deliveries from one store.
#[derive(Clone, Debug, Default)]
pub struct Status(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    /// When the dispatcher last read the store.
    heartbeat: Option<(Instant, Millis)>,
    /// Why its last read failed.
    unreadable: Option<String>,
    lanes: BTreeMap<String, Lane>,
    /// Lanes for which an operator has requested a probe.
    probe_requests: HashSet<String>,
    counted: Option<Counted>,
}

#[derive(Debug)]
struct Lane {
    breaker: i64,
    hold: Option<Hold>,
}

/// Why and until when the deliveries of a tenant are held.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The cause of the hold.
    pub cause: Cause,
    /// The beginning of the hold.
    pub since: Instant,
    /// The time of the next probe; absent while one is in flight.
    pub until: Option<Instant>,
    /// The last error; it contains no text from the portal.
    pub error: String,
}

/// Counts of the events in the store.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) at: Instant,
    /// The system's clock then.
    pub(crate) clock: Millis,
    pub(crate) backlog: Vec<Backlog>,
    pub(crate) parked: Vec<ParkedCount>,
    pub(crate) free: Option<u64>,
    pub(crate) ledger: Vec<LedgerCounts>,
}

// === impl Counted ===

impl Counted {
    /// Seconds from a stored time until now, independent of clock jumps since the count.
    pub(crate) fn seconds_since(&self, at: Millis) -> i64 {
        let then = self.clock.saturating_sub(at).max(0);
        then.saturating_add(i64::try_from(self.at.elapsed().as_millis()).unwrap_or(i64::MAX)) / 1000
    }
}

// === impl Status ===

impl Status {
    /// Records that the dispatcher has read the store, or the error.
    pub(crate) fn record_read(&self, error: Option<String>) {
        let mut shown = self.shown();
        if error.is_none() {
            shown.heartbeat = Some((Instant::now(), now()));
        }
        shown.unreadable = error;
    }

    /// Publishes the state of a lane.
    pub(crate) fn show(&self, lane: &str, breaker: i64, held: Option<(Cause, Option<Instant>)>) {
        let mut shown = self.shown();
        if !shown.lanes.contains_key(lane) {
            shown.lanes.insert(lane.to_owned(), Lane { breaker, hold: None });
        }
        let Some(known) = shown.lanes.get_mut(lane) else { return };
        known.breaker = breaker;
        let before = known.hold.take();
        known.hold = held.map(|(cause, until)| {
            let (since, error) =
                before.map_or((Instant::now(), String::new()), |hold| (hold.since, hold.error));
            Hold { cause, since, until, error }
        });
    }

    /// Removes a lane whose tenant was removed.
    pub(crate) fn forget(&self, lane: &str) {
        self.shown().lanes.remove(lane);
    }

    /// Records the last error of a held lane.
    pub(crate) fn failed(&self, lane: &str, error: String) {
        if let Some(hold) = self.shown().lanes.get_mut(lane).and_then(|lane| lane.hold.as_mut()) {
            hold.error = error;
        }
    }

    /// Publishes new counts.
    pub(crate) fn counted(&self, counted: Counted) {
        self.shown().counted = Some(counted);
    }

    /// Requests that the next probe of a lane is sent at once.
    pub fn request_probe(&self, lane: String) {
        self.shown().probe_requests.insert(lane);
    }

    /// Removes and returns the lanes for which a probe was requested.
    pub(crate) fn take_probe_requests(&self) -> HashSet<String> {
        std::mem::take(&mut self.shown().probe_requests)
    }

    /// Returns why a tenant's deliveries are held, if they are.
    pub fn hold(&self, lane: &str) -> Option<Hold> {
        self.shown().lanes.get(lane)?.hold.clone()
    }

    /// When the dispatcher last read the store, by the wall clock, and whether that is too long ago.
    pub fn heartbeat(&self) -> Option<(Millis, Liveness)> {
        let (at, clock) = self.shown().heartbeat?;
        Some((clock, if at.elapsed() > MAX_AGE { Liveness::Stalled } else { Liveness::Live }))
    }

    /// Returns why the last read of the store failed.
    pub fn unreadable(&self) -> Option<String> {
        self.shown().unreadable.clone()
    }

    /// Returns the last counts, unless they are old.
    pub(crate) fn fresh_count(&self) -> Option<Counted> {
        self.shown().counted.clone().filter(|counted| counted.at.elapsed() <= MAX_AGE)
    }

    /// Returns the tenants with their breakers' states and why they are held, while the dispatcher lives.
    pub(crate) fn lanes(&self) -> Vec<(String, i64, Option<Cause>)> {
        if !matches!(self.heartbeat(), Some((_, Liveness::Live))) {
            return Vec::new();
        }
        let shown = self.shown();
        let lanes = shown.lanes.iter();
        lanes
            .map(|(name, lane)| (name.clone(), lane.breaker, lane.hold.as_ref().map(|hold| hold.cause)))
            .collect()
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the dispatcher is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It has read the store within a minute.
    Live,
    /// It has not.
    Stalled,
}

/// Counts and heartbeats older than this are not reported.
const MAX_AGE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: gauges kept their values when the dispatcher had stopped or the store could not be read, so no alert fired.
    #[tokio::test(start_paused = true)]
    async fn counts_not_renewed_for_a_minute_are_not_shown() {
        let status = Status::default();
        status.record_read(None);
        status.show("acme", 2, Some((Cause::LoginRefused, None)));
        let (backlog, parked, ledger) = (Vec::new(), Vec::new(), Vec::new());
        let counted = Counted { at: Instant::now(), clock: 0, backlog, parked, free: None, ledger };
        status.counted(counted);

        tokio::time::advance(Duration::from_secs(59)).await;
        let fresh =
            (status.lanes().len(), status.fresh_count().is_some(), status.heartbeat().map(|beat| beat.1));
        status.record_read(Some("the store is away".to_owned()));
        tokio::time::advance(Duration::from_secs(2)).await;
        let old =
            (status.lanes().len(), status.fresh_count().is_some(), status.heartbeat().map(|beat| beat.1));

        assert_eq!(fresh, (1, true, Some(Liveness::Live)));
        assert_eq!(old, (0, false, Some(Liveness::Stalled)));
        assert_eq!(status.unreadable().as_deref(), Some("the store is away"));
    }

    #[tokio::test(start_paused = true)]
    async fn renewed_hold_keeps_its_start() {
        let (status, begin) = (Status::default(), Instant::now());
        status.show("acme", 2, Some((Cause::Failing, Some(begin))));
        status.failed("acme", "portal answered 503".to_owned());

        tokio::time::advance(Duration::from_secs(9)).await;
        status.show("acme", 1, Some((Cause::Unreachable, None)));
        let renewed = status.hold("acme").unwrap();
        status.show("acme", 0, None);

        assert_eq!((renewed.cause, renewed.since, renewed.until), (Cause::Unreachable, begin, None));
        assert_eq!(renewed.error, "portal answered 503");
        assert!(status.hold("acme").is_none());
    }
}
