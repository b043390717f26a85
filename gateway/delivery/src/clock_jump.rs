//! Shifts the times of stored events when the wall clock jumps, also when it jumped while the gateway was stopped.
//!
//! Due times and ages are stored as wall-clock times. Without the shift, a forward jump would make events expire, and a
//! backward jump would delay their attempts.

use std::time::Duration;

use kyc_events::{Command, Effect, Millis, Progress, now};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::dispatcher::Dispatcher;
use crate::maintenance::clamp;
use crate::store_log::log_failed;

impl Dispatcher {
    /// Continues the clock from the last heartbeat of the previous process. Returns also whether all times are of this clock.
    pub(crate) async fn resume_clock(&mut self, shutdown: &mut watch::Receiver<bool>) -> (Clock, bool) {
        let alive = self.reader.alive().await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot read the last heartbeat");
            None
        });
        let wall = now();
        let Some(alive) = alive else { return (Clock::start(wall), true) };
        let (clock, by) = Clock::resume(wall, alive);
        let Some(by) = by else { return (clock, true) };
        tracing::warn!(
            milliseconds = by,
            "no gateway was running for this time by the system clock: due times and ages are shifted"
        );
        let is_shifted = self.shift(by, shutdown).await;
        (clock, is_shifted)
    }

    /// Records a heartbeat for the next start.
    pub(crate) fn record_heartbeat(&mut self, clock: &Clock) {
        let (commit_queue, change) = (self.context.commit_queue.clone(), Command::Heartbeat(clock.alive()));
        self.tasks.spawn(async move { log_failed(commit_queue.submit(change).await) });
    }

    /// Shifts the times of all events and of the ledger, page by page, until it succeeds: after a backward jump, an event that is
    /// not shifted would wait too long. No event is claimed meanwhile, since its age would be wrong. Returns false when the shutdown came
    /// first: a heartbeat by the new clock must not be recorded then, or the next start would not shift the rest.
    pub(crate) async fn shift(&mut self, by: Millis, shutdown: &mut watch::Receiver<bool>) -> bool {
        let times = |progress| Command::ShiftTimes { by, now: now(), progress };
        let ledger = |progress| Command::ShiftLedger { by, now: now(), progress };
        let is_shifted = self.shift_pages(times, shutdown).await && self.shift_pages(ledger, shutdown).await;
        // Maintenance does it again.
        let _ = clamp(&self.context).await;
        is_shifted
    }

    async fn shift_pages(
        &mut self,
        command: impl Fn(Progress) -> Command,
        shutdown: &mut watch::Receiver<bool>,
    ) -> bool {
        let mut progress = Progress::default();
        while !*shutdown.borrow() {
            match self.context.commit_queue.submit(command(progress)).await {
                Ok(Effect::Changed(next)) if next.after > progress.after => progress = next,
                Ok(_) => return true,
                Err(error) => {
                    log_failed::<()>(Err(error));
                    tokio::select! {
                        () = sleep(RETRY_INTERVAL) => {}
                        _ = shutdown.changed() => {}
                    }
                }
            }
        }
        false
    }
}

/// Pause before a page is written again that the store did not commit.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
