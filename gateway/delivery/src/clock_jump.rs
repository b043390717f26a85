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
    /// Continues the clock from the last heartbeat of the previous process.
    pub(crate) async fn resume_clock(&mut self, shutdown: &mut watch::Receiver<bool>) -> Clock {
        let alive = self.reader.alive().await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot read the last heartbeat");
            None
        });
        let wall = now();
        let Some(alive) = alive else { return Clock::start(wall) };
        let (clock, by) = Clock::resume(wall, alive);
        if let Some(by) = by {
            tracing::warn!(
                milliseconds = by,
                "no gateway was running for this time by the system clock: due times and ages are shifted"
            );
            self.shift(by, shutdown).await;
        }
        clock
    }

    /// Records a heartbeat for the next start.
    pub(crate) fn record_heartbeat(&mut self, clock: &Clock) {
        let (commit_queue, change) = (self.context.commit_queue.clone(), Command::Heartbeat(clock.alive()));
        self.tasks.spawn(async move { log_failed(commit_queue.submit(change).await) });
    }

    /// Shifts the times of all events and of the ledger, page by page, until it succeeds: after a backward jump, an event that is
    /// not shifted would wait too long. No event is claimed meanwhile, since its age would be wrong.
    pub(crate) async fn shift(&mut self, by: Millis, shutdown: &mut watch::Receiver<bool>) {
        self.shift_pages(|progress| Command::ShiftTimes { by, now: now(), progress }, shutdown).await;
        self.shift_pages(|progress| Command::ShiftLedger { by, now: now(), progress }, shutdown).await;
        // Maintenance does it again.
        let _ = clamp(&self.context).await;
    }

    async fn shift_pages(
        &mut self,
        command: impl Fn(Progress) -> Command,
        shutdown: &mut watch::Receiver<bool>,
    ) {
        let mut progress = Progress::default();
        while !*shutdown.borrow() {
            match self.context.commit_queue.submit(command(progress)).await {
                Ok(Effect::Changed(next)) if next.after > progress.after => progress = next,
                Ok(_) => break,
                Err(error) => {
                    log_failed::<()>(Err(error));
                    tokio::select! {
                        () = sleep(RETRY_INTERVAL) => {}
                        _ = shutdown.changed() => {}
                    }
                }
            }
        }
    }
}

/// Pause before a page is written again that the store did not commit.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
