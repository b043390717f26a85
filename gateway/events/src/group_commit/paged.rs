//! Commands that change many events, one page per commit, so that notifications are committed in between.

use tokio::time::{Instant, sleep};

use super::CommitQueue;
use crate::{Command, Effect, Progress, StoreError};

impl CommitQueue {
    /// Commits one page of a command that changes many events. Pages of all commands are serialised, and after each one the
    /// writer is left to other commands for as long as the page took: otherwise notifications would wait when many portals
    /// recover at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store is not open or the commit failed.
    pub async fn submit_page(&self, command: Command) -> Result<Effect, StoreError> {
        let _turn = self.0.bulk.lock().await;
        let started = Instant::now();
        let effect = self.submit(command).await;
        sleep(started.elapsed()).await;
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
