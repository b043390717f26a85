//! What is done every few seconds beside the deliveries: old events are forgotten, and what waits is counted.

use std::time::Duration;

use tokio::time::Instant;

use super::{Dispatcher, schedule, tell};
use crate::store::{Change, Effect, Inbox, Millis, Progress, Sweep, now};

impl Dispatcher {
    pub(super) async fn keep_house(&mut self) {
        if self.clamped.is_none_or(|at| at.elapsed() >= CLAMP) {
            self.clamp().await;
        }
        let old = Sweep {
            keys: now() - schedule::millis(self.means.keep_keys),
            delivered: now() - schedule::millis(self.means.keep_delivered),
            dead: Some(now() - schedule::millis(self.means.keep_dead)),
        };
        let unpark = Change::Unpark { keys: self.means.keyring.key_ids(), now: now() };
        // After a jump of the clock everything may look old.
        let sweep = self.is_settled.then_some(Change::Sweep(old));
        for change in sweep.into_iter().chain([Change::Shrink, unpark]) {
            in_bites(&self.means.inbox, change).await;
        }
        self.former_names.forget();
        match self.reader.parked().await {
            Ok(parked) => {
                self.means.metrics.parked.reset();
                for parked in parked {
                    let labels = [parked.tenant.as_str(), parked.reason.as_str()];
                    self.means.metrics.parked.with_label_values(&labels).set(parked.events);
                }
            }
            Err(error) => tracing::error!(%error, "cannot count the parked events"),
        }
        match self.reader.backlog().await {
            Ok(backlog) => {
                self.means.metrics.pending.reset();
                self.means.metrics.late.reset();
                self.means.metrics.oldest.reset();
                for lane in backlog {
                    let tenant = [lane.tenant.as_str()];
                    self.means.metrics.pending.with_label_values(&tenant).set(lane.events);
                    let late = (now() - lane.first_due).max(0) / 1000;
                    self.means.metrics.late.with_label_values(&tenant).set(late);
                    let age = (now() - lane.oldest).max(0) / 1000;
                    self.means.metrics.oldest.with_label_values(&tenant).set(age);
                }
            }
            Err(error) => tracing::error!(%error, "cannot count the waiting events"),
        }
        if let Ok(Some(free)) = self.reader.free().await {
            let free = i64::try_from(free).unwrap_or(i64::MAX);
            self.means.metrics.free.with_label_values::<&str>(&[]).set(free);
        }
    }
}

impl Dispatcher {
    /// Moves the events along with the system's clock, some at a time. Nothing is claimed meanwhile, since its age would be
    /// wrong.
    pub(super) async fn shift(&mut self, by: Millis, now: Millis) {
        let mut progress = Progress::default();
        loop {
            match self.means.inbox.change(Change::Shift { by, now, progress }).await {
                Ok(Effect::Changed(next)) if next.after > progress.after => progress = next,
                done => break tell(done),
            }
        }
        self.clamp().await;
    }

    /// Brings due times back that lie too far ahead.
    async fn clamp(&mut self) {
        let latest = now() + schedule::millis(schedule::longest(&self.means.config));
        in_bites(&self.means.inbox, Change::Clamp { latest }).await;
        self.clamped = Some(Instant::now());
    }
}

/// Does a change again for as long as it finds something, but not without end. Each time it takes a bounded bite, so that
/// notifications come in between.
async fn in_bites(inbox: &Inbox, change: Change) {
    for _ in 0..BITES {
        match inbox.change(change.clone()).await {
            Ok(Effect::Done) => {}
            done => return tell(done),
        }
    }
}

/// Bites of one change.
const BITES: usize = 50;
/// How often due times are looked over: a database may have gone over to a machine with another clock.
const CLAMP: Duration = Duration::from_secs(3600);
