//! Changes of many events, page by page.

use tokio::time::{Instant, sleep};

use super::Inbox;
use crate::{Change, Effect, Progress, StoreError};

impl Inbox {
    /// Makes one page of a change of many events durable. Of all such changes one page is written at a time, and then the
    /// writer is left to others for as long as that took: no commit is longer because many tenants' portals are back.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn page(&self, change: Change) -> Result<Effect, StoreError> {
        let _turn = self.0.bulk.lock().await;
        let begun = Instant::now();
        let effect = self.change(change).await;
        sleep(begun.elapsed()).await;
        effect
    }

    /// Does a change of many events to its end.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what was done before it stays done.
    pub async fn change_all(&self, change: impl Fn(Progress) -> Change) -> Result<Progress, StoreError> {
        let mut progress = Progress::default();
        loop {
            match self.page(change(progress)).await? {
                Effect::Changed(next) if next.after > progress.after => progress = next,
                _ => return Ok(progress),
            }
        }
    }
}
