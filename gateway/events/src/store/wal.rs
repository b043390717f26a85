//! Checkpoints of SQLite's write-ahead log, and the warning when a long read prevents them.
//!
//! SQLite checkpoints by itself, but never past the oldest open read, and a log that has grown is not truncated. A backup of
//! a busy store therefore lets the log grow; this task truncates it when the read has ended
//! (<https://www.sqlite.org/wal.html>, "Avoiding Excessively Large WAL Files").

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::pause::pause;
use crate::{CommitQueue, Sqlite};

/// Measures the write-ahead log every second, and checkpoints it when it is longer than [`CHECKPOINT_FROM`].
pub(super) async fn run_checkpoints(
    store: Sqlite,
    commit_queue: CommitQueue,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut long_since: Option<Instant> = None;
    let mut warned_at: Option<Instant> = None;
    while !*shutdown.borrow() {
        let bytes = store.wal_bytes();
        commit_queue.set_wal_bytes(bytes);
        let is_short = bytes < CHECKPOINT_FROM
            || store.checkpoint().await.unwrap_or_else(|error| {
                tracing::error!(%error, "cannot checkpoint the event store's write-ahead log");
                false
            });
        if is_short {
            long_since = None;
        } else {
            let since = *long_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= WARN_AFTER && warned_at.is_none_or(|at| at.elapsed() >= WARN_INTERVAL) {
                let readers = store.wal_readers().join(", ");
                tracing::warn!(
                    bytes,
                    readers,
                    seconds = since.elapsed().as_secs(),
                    "the event store's write-ahead log grows: a long read prevents checkpoints"
                );
                warned_at = Some(Instant::now());
            }
        }
        pause(POLL_INTERVAL, &mut shutdown).await;
    }
}

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The length, in bytes, from which this task checkpoints. SQLite itself does so from 4 MiB on, where no read prevents it.
const CHECKPOINT_FROM: u64 = 32 * 1024 * 1024;
/// How long the log must be too long before a warning is logged.
const WARN_AFTER: Duration = Duration::from_secs(5);
/// Pause between two warnings.
const WARN_INTERVAL: Duration = Duration::from_secs(60);
