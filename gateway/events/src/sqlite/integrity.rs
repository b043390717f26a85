//! The integrity check of a store's file while the gateway uses it.
//!
//! Reading every page of a large file takes long (16 s for 791 MiB on a cold disk), so the start does not wait for the
//! check. It checks only a file that was found damaged before.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use sqlx::Connection;

use super::error::store_error;
use super::file::Sqlite;
use super::open::connect;
use crate::paths::{DAMAGED, WAL, length, path_with_suffix};
use crate::{OpenError, StoreError};

/// The result of an integrity check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// SQLite found no damage.
    Intact,
    /// SQLite found damage; with its message.
    Damaged(String),
    /// The check ended before it had read the whole file.
    Interrupted,
}

// === impl Sqlite ===

impl Sqlite {
    /// Checks the whole file with `PRAGMA quick_check`, on its own connection, while the gateway reads and writes. Marks a
    /// damaged file for the next start.
    ///
    /// The check ends early when `may_continue` returns false, or when the write-ahead log has grown by more than 256 MiB:
    /// SQLite cannot move to the file what was written after the check began to read.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the file cannot be opened or read.
    pub async fn check_integrity(
        &self,
        may_continue: impl Fn() -> bool + Send + 'static,
    ) -> Result<Integrity, OpenError> {
        let mut connection = connect(&self.path, self.max_bytes, false).await?;
        let wal = path_with_suffix(&self.path, WAL);
        let limit = length(&wal).saturating_add(MAX_WAL_GROWTH);
        let cannot_read =
            |error: sqlx::Error| OpenError::Damaged { path: self.path.clone(), reason: error.to_string() };
        connection
            .lock_handle()
            .await
            .map_err(cannot_read)?
            .set_progress_handler(STEPS_PER_CALLBACK, move || may_continue() && length(&wal) <= limit);
        let verdict = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
        let found: Result<String, StoreError> = verdict.map_err(|error| store_error(&error));
        let found = match found {
            Ok(verdict) if verdict == "ok" => Integrity::Intact,
            Ok(reason) | Err(StoreError::Damaged(reason)) => Integrity::Damaged(reason),
            Err(StoreError::Interrupted) => Integrity::Interrupted,
            Err(error) => return Err(cannot_read(sqlx::Error::Protocol(error.to_string()))),
        };
        if let Integrity::Damaged(reason) = &found {
            self.mark_damaged(reason);
        }
        // The check only reads, so an error at closing loses nothing.
        let _ = connection.close().await;
        Ok(found)
    }

    /// Creates the mark that the file is damaged, so that the next start checks the file before it uses it.
    pub(super) fn mark_damaged(&self, reason: &str) {
        let mark = || {
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(path_with_suffix(&self.path, DAMAGED))?;
            writeln!(file, "{reason}")?;
            file.sync_all()
        };
        if let Err(error) = mark() {
            tracing::error!(%error, "cannot mark the event store as damaged");
        }
    }
}

/// Instructions of SQLite's virtual machine between two calls of the progress handler.
const STEPS_PER_CALLBACK: i32 = 2000;
/// How much the write-ahead log may grow during a check, in bytes.
const MAX_WAL_GROWTH: u64 = 256 * 1024 * 1024;
