//! Commands that change many events, page by page.

use tokio::time::{Instant, sleep};

use super::CommitQueue;
use crate::{Command, Effect, Progress, StoreError};

impl CommitQueue {
    /// Commits one page of a command that changes many events. Pages are serialised, and after each one the writer is free
    /// for other commands for as long as the page took. Otherwise commits would slow down when many portals come back at
    /// once.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn submit_page(&self, command: Command) -> Result<Effect, StoreError> {
        let _turn = self.0.bulk.lock().await;
        let begun = Instant::now();
        let effect = self.submit(command).await;
        sleep(begun.elapsed()).await;
        effect
    }

    /// Commits all pages of a command that changes many events.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; pages committed before the error stay committed.
    pub async fn submit_pages(&self, command: impl Fn(Progress) -> Command) -> Result<Progress, StoreError> {
        let mut progress = Progress::default();
        loop {
            match self.submit_page(command(progress)).await? {
                Effect::Changed(next) if next.after > progress.after => progress = next,
                _ => return Ok(progress),
            }
        }
    }
}
