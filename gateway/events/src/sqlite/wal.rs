//! The write-ahead log: committed transactions that are not in the database file yet.
//!
//! A checkpoint writes them to the file, and SQLite then restarts the log. It cannot restart the log while a reader needs
//! it, so one long read, such as a backup, lets the log grow without limit: <https://sqlite.org/wal.html>

use std::fs;
use std::os::unix::fs::MetadataExt;

use sqlx::{Connection, Row};

use super::error::store_error;
use super::file::Sqlite;
use crate::StoreError;
use crate::paths::{WAL, length, path_with_suffix};

// === impl Sqlite ===

impl Sqlite {
    /// Refuses new events while the write-ahead log is longer than `max_wal` bytes.
    pub fn with_max_wal(self, max_wal: u64) -> Self {
        Self { max_wal, ..self }
    }

    /// Returns the length of the write-ahead log in bytes.
    pub fn wal_bytes(&self) -> u64 {
        length(&path_with_suffix(&self.path, WAL))
    }

    /// Returns whether the write-ahead log has exceeded its limit.
    pub(super) fn is_wal_full(&self) -> bool {
        self.wal_bytes() > self.max_wal
    }

    /// Checkpoints the write-ahead log and truncates it to zero. Returns false when a reader still needs the log; the
    /// writer does not wait for that reader.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when SQLite fails.
    pub async fn checkpoint(&self) -> Result<bool, StoreError> {
        let mut connection = self.connection(None).await?;
        let work = async {
            // A passive checkpoint blocks neither readers nor the writer.
            let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut connection).await?;
            let (log_pages, checkpointed): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            if log_pages != checkpointed {
                return Ok(false);
            }
            // Truncating blocks the writer, but the passive checkpoint has left little to do.
            let script = "PRAGMA busy_timeout = 100; PRAGMA wal_checkpoint(TRUNCATE)";
            sqlx::raw_sql(script).execute(&mut connection).await?;
            Ok(self.wal_bytes() == 0)
        };
        let done = work.await;
        // The result of the checkpoint is known, whatever happens at closing.
        let _ = connection.close().await;
        done.map_err(|error| store_error(&error))
    }

    /// Returns the processes that read the file at the moment, as `name (pid)`. Reads `/proc/locks`; without it the list is
    /// empty.
    pub fn wal_readers(&self) -> Vec<String> {
        let Ok(shared) = fs::metadata(path_with_suffix(&self.path, SHM)) else { return Vec::new() };
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        let mut readers: Vec<String> =
            locks.lines().filter_map(|lock| reader_pid(lock, shared.ino())).map(process_name).collect();
        readers.sort_unstable();
        readers.dedup();
        readers
    }
}

/// Returns the process id of a line of `/proc/locks` that is a read lock on the shared-memory file `inode`.
fn reader_pid(lock: &str, inode: u64) -> Option<u32> {
    // "1: POSIX  ADVISORY  READ 4711 fe:00:10813456 124 124"
    let fields: Vec<&str> = lock.split_whitespace().collect();
    let [_, "POSIX", _, "READ", pid, file, first, last] = fields[..] else { return None };
    let of_file = file.rsplit(':').next()?.parse::<u64>().ok()? == inode;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (of_file && first <= LAST_READER && last >= FIRST_READER).then(|| pid.parse().ok())?
}

/// Returns a process as `name (pid)`.
fn process_name(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let own = if pid == std::process::id() { ", this process" } else { "" };
    format!("{} ({pid}{own})", name.trim())
}

/// The shared-memory file of the write-ahead log; readers lock bytes of it.
const SHM: &str = "-shm";
/// The bytes that readers of the log lock: `WAL_READ_LOCK(1)` to `WAL_READ_LOCK(4)` of SQLite's `wal.c`.
const FIRST_READER: u64 = 124;
const LAST_READER: u64 = 127;
