//! The integrity check of a SQLite file, in the background: a start must not take longer for a large file.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::pause::pause;
use crate::{CommitQueue, Integrity, Sqlite};

/// Checks the whole file once, and refuses notifications from then on if it is damaged.
pub(super) async fn check(store: Sqlite, commit_queue: CommitQueue, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        let started = Instant::now();
        let stop = shutdown.clone();
        let found = store.check_integrity(move || !*stop.borrow()).await;
        let seconds = started.elapsed().as_secs();
        match found {
            Ok(Integrity::Intact) => {
                return tracing::info!(seconds, "the integrity check of the event store found no damage");
            }
            Ok(Integrity::Damaged(reason)) => return commit_queue.mark_damaged(&reason),
            Ok(Integrity::Interrupted) => {
                tracing::info!(
                    seconds,
                    "the integrity check of the event store was interrupted; it will be repeated"
                );
            }
            Err(error) => tracing::error!(%error, "the integrity check of the event store failed"),
        }
        pause(RETRY_INTERVAL, &mut shutdown).await;
    }
}

/// Pause before a check that was interrupted or failed is repeated.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);
