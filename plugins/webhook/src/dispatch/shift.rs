//! The events move along when the system's clock jumps, also while the gateway is stopped.

use super::clock::Clock;
use super::housekeeping::clamp;
use super::{Dispatcher, tell};
use crate::store::{Change, Effect, Millis, Progress, now};

impl Dispatcher {
    /// The clock, as it goes on from when the gateway was last there.
    pub(super) async fn resume_clock(&mut self) -> Clock {
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
            self.shift(by, wall).await;
        }
        clock
    }

    /// Notes that the gateway is there, for the next start.
    pub(super) fn beat(&mut self, clock: &Clock) {
        let (inbox, change) = (self.means.inbox.clone(), Change::Alive(clock.alive()));
        self.tasks.spawn(async move { tell(inbox.change(change).await) });
    }

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
        clamp(&self.means).await;
    }
}
