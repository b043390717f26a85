//! The write-ahead log: what was committed and is not in the file yet. SQLite takes it into the file and begins anew, but
//! not beyond what anybody still reads: one long reader, such as a backup, lets it grow without end.

use std::fs;
use std::os::unix::fs::MetadataExt;

use sqlx::{Connection, Row};

use super::failure::engine;
use super::file::Sqlite;
use crate::StoreError;
use crate::paths::{WAL, beside, length};

// === impl Sqlite ===

impl Sqlite {
    /// The same, where new events are refused while the write-ahead log is longer than this.
    pub fn with_max_wal(self, max_wal: u64) -> Self {
        Self { max_wal, ..self }
    }

    /// The length of the write-ahead log.
    pub fn wal_bytes(&self) -> u64 {
        length(&beside(&self.path, WAL))
    }

    pub(super) fn is_wal_full(&self) -> bool {
        self.wal_bytes() > self.max_wal
    }

    /// Takes the write-ahead log into the file and makes it empty. Says no when somebody still reads what is in it; the
    /// writer does not wait for that.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn checkpoint(&self) -> Result<bool, StoreError> {
        let mut connection = self.connection(None).await?;
        let work = async {
            // Holds up nobody.
            let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut connection).await?;
            let (pages, taken): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            if pages != taken {
                return Ok(false);
            }
            // Holds the writer up, but has little left to do.
            let script = "PRAGMA busy_timeout = 100; PRAGMA wal_checkpoint(TRUNCATE)";
            sqlx::raw_sql(script).execute(&mut connection).await?;
            Ok(self.wal_bytes() == 0)
        };
        let done = work.await;
        let _ = connection.close().await;
        done.map_err(|error| engine(&error))
    }

    /// The processes that read from the file right now, each with its name, as far as the system says.
    pub fn wal_readers(&self) -> Vec<String> {
        let Ok(shared) = fs::metadata(beside(&self.path, SHARED)) else { return Vec::new() };
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        let mut readers: Vec<String> =
            locks.lines().filter_map(|lock| reader(lock, shared.ino())).map(named).collect();
        readers.sort_unstable();
        readers.dedup();
        readers
    }
}

/// The process of a lock that is a reader's, on this file.
fn reader(lock: &str, inode: u64) -> Option<u32> {
    // "1: POSIX  ADVISORY  READ 4711 fe:00:10813456 124 124"
    let fields: Vec<&str> = lock.split_whitespace().collect();
    let [_, "POSIX", _, "READ", pid, file, first, last] = fields[..] else { return None };
    let of_file = file.rsplit(':').next()?.parse::<u64>().ok()? == inode;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (of_file && first <= LAST_READER && last >= FIRST_READER).then(|| pid.parse().ok())?
}

fn named(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let own = if pid == std::process::id() { ", this process" } else { "" };
    format!("{} ({pid}{own})", name.trim())
}

/// Beside the log, the file that its readers lock.
const SHARED: &str = "-shm";
/// The bytes of it that readers of the log lock (`WAL_READ_LOCK(1)` to `(4)` of wal.c).
const FIRST_READER: u64 = 124;
const LAST_READER: u64 = 127;
