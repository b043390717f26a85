//! What is done every few seconds beside the deliveries: old events are forgotten, and what waits is counted.

use super::{Dispatcher, schedule, tell};
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

/// Bites of one sweep.
const SWEEPS: usize = 50;
