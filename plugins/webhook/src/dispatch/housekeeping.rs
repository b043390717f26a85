//! What is done every few seconds beside the deliveries: old events are forgotten, and what waits is counted.

use super::{Dispatcher, Means, schedule, tell};
use crate::store::{Change, Effect, Sweep, now};

impl Dispatcher {
    pub(super) async fn keep_house(&mut self) {
        let latest = now() + schedule::millis(schedule::longest(&self.means.config));
        tell(self.means.inbox.change(Change::Clamp { latest }).await);
        let old = Sweep {
            keys: now() - schedule::millis(self.means.keep_keys),
            delivered: now() - schedule::millis(self.means.keep_delivered),
            dead: Some(now() - schedule::millis(self.means.keep_dead)),
        };
        // Each sweep takes a bounded bite, so that notifications come in between.
        for _ in 0..SWEEPS {
            match self.means.inbox.change(Change::Sweep(old)).await {
                Ok(Effect::Done) => {}
                swept => {
                    tell(swept);
                    break;
                }
            }
        }
        unpark(&self.means).await;
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
                for lane in backlog {
                    let tenant = [lane.tenant.as_str()];
                    self.means.metrics.pending.with_label_values(&tenant).set(lane.events);
                    let late = (now() - lane.first_due).max(0) / 1000;
                    self.means.metrics.late.with_label_values(&tenant).set(late);
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

/// Takes up what was parked for want of a key that is there now, or that another gateway does not have.
async fn unpark(means: &Means) {
    for _ in 0..SWEEPS {
        let change = Change::Unpark { keys: means.keyring.key_ids(), now: now() };
        match means.inbox.change(change).await {
            Ok(Effect::Done) => {}
            unparked => {
                tell(unparked);
                break;
            }
        }
    }
}

/// Bites of one sweep.
const SWEEPS: usize = 50;
