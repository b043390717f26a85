//! The events move along when the system's clock jumps, also while the gateway is stopped.

use std::time::Duration;

use kyc_events::{Change, Effect, Millis, Progress, now};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::dispatcher::Dispatcher;
use crate::housekeeping::clamp;
use crate::store_log::log_failed;

impl Dispatcher {
    /// The clock, as it goes on from when the gateway was last there.
    pub(crate) async fn resume_clock(&mut self, shutdown: &mut watch::Receiver<bool>) -> Clock {
        let alive = self.reader.alive().await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot read when the gateway was last there");
            None
        });
        let wall = now();
        let Some(alive) = alive else { return Clock::start(wall) };
        let (clock, by) = Clock::resume(wall, alive);
        if let Some(by) = by {
            tracing::warn!(
                milliseconds = by,
                "so long was no gateway there by the system's clock: due times and ages move along"
            );
            self.shift(by, shutdown).await;
        }
        clock
    }

    /// Notes that the gateway is there, for the next start.
    pub(crate) fn beat(&mut self, clock: &Clock) {
        let (inbox, change) = (self.context.inbox.clone(), Change::Alive(clock.alive()));
        self.tasks.spawn(async move { log_failed(inbox.change(change).await) });
    }

    /// Moves the events along with the system's clock, page by page, for as long as it takes: those that are not moved wait
    /// for as long as the clock has gone back. Nothing is claimed meanwhile, since its age would be wrong.
    pub(crate) async fn shift(&mut self, by: Millis, shutdown: &mut watch::Receiver<bool>) {
        let mut progress = Progress::default();
        while !*shutdown.borrow() {
            match self.context.inbox.change(Change::Shift { by, now: now(), progress }).await {
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
        // Housekeeping does it again.
        let _ = clamp(&self.context).await;
    }
}

/// When a page is tried again that the store has not taken.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
