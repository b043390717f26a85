//! The integrity check of a store's file, beside the work.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::pause::pause;
use crate::{CommitQueue, Integrity, Sqlite};

/// Reads the whole file once, however long that takes, and has notifications refused if it is damaged.
pub(super) async fn check(store: Sqlite, commit_queue: CommitQueue, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        let begun = Instant::now();
        let seen = shutdown.clone();
        let found = store.check(move || !*seen.borrow()).await;
        let seconds = begun.elapsed().as_secs();
        match found {
            Ok(Integrity::Whole) => {
                return tracing::info!(seconds, "the event store was checked and is not damaged");
            }
            Ok(Integrity::Damaged(reason)) => return commit_queue.mark_damaged(&reason),
            Ok(Integrity::Interrupted) => {
                tracing::info!(
                    seconds,
                    "the check of the event store was interrupted and begins again later"
                );
            }
            Err(error) => tracing::error!(%error, "the event store cannot be checked"),
        }
        pause(RETRY_INTERVAL, &mut shutdown).await;
    }
}

/// When a check that came to no end begins again.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);
