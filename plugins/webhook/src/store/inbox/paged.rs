//! Changes of many events, page by page.

use tokio::time::{Instant, sleep};

use super::Inbox;
use crate::store::{Change, Effect, Progress, StoreError};

impl Inbox {
    /// Does a change of many events to its end. Between two pages the writer is left to others for as long as a page took.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what was done before it stays done.
    pub(crate) async fn change_all(
        &self,
        change: impl Fn(Progress) -> Change,
    ) -> Result<Progress, StoreError> {
        let mut progress = Progress::default();
        loop {
            let begun = Instant::now();
            match self.change(change(progress)).await? {
                Effect::Changed(next) if next.after > progress.after => progress = next,
                _ => return Ok(progress),
            }
            sleep(begun.elapsed()).await;
        }
    }
}
