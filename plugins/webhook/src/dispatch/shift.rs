//! The events move along when the system's clock jumps.

use super::housekeeping::clamp;
use super::{Dispatcher, tell};
use crate::store::{Change, Effect, Millis, Progress};

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
        clamp(&self.means).await;
    }
}
