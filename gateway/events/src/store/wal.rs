//! Keeps SQLite's write-ahead log short, and says who keeps it from that.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::pause::pause;
use crate::{CommitQueue, Sqlite};

/// Looks at the write-ahead log every second, and takes it into the file when it is long.
pub(super) async fn keep_short(
    store: Sqlite,
    commit_queue: CommitQueue,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut long_since: Option<Instant> = None;
    let mut told: Option<Instant> = None;
    while !*shutdown.borrow() {
        let bytes = store.wal_bytes();
        commit_queue.measure_wal(bytes);
        let is_short = bytes < CHECKPOINT_FROM || store.checkpoint().await.unwrap_or_else(|error| {
            tracing::error!(%error, "the write-ahead log of the event store cannot be taken into the file");
            false
        });
        if is_short {
            long_since = None;
        } else {
            let since = *long_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= WARN_AFTER && told.is_none_or(|at| at.elapsed() >= WARN_INTERVAL) {
                let readers = store.wal_readers().join(", ");
                tracing::warn!(
                    bytes,
                    readers,
                    seconds = since.elapsed().as_secs(),
                    "the write-ahead log of the event store grows: a long read keeps it from being taken into the file"
                );
                told = Some(Instant::now());
            }
        }
        pause(POLL_INTERVAL, &mut shutdown).await;
    }
}

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The engine itself takes the log into the file from 4 MiB on, when nobody reads and the writer has time.
const CHECKPOINT_FROM: u64 = 32 * 1024 * 1024;
/// How long it may be long before the log says so, and how often.
const WARN_AFTER: Duration = Duration::from_secs(5);
const WARN_INTERVAL: Duration = Duration::from_secs(60);
