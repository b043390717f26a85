//! The integrity check of a store file that is in use.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use sqlx::Connection;

use super::failure::engine;
use super::file::Sqlite;
use super::open::connect;
use crate::paths::{DAMAGED, WAL, beside, length};
use crate::{OpenError, StoreError};

/// What a check of a file has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Nothing is damaged.
    Whole,
    /// With what the engine says.
    Damaged(String),
    /// It did not come to an end.
    Interrupted,
}

// === impl Sqlite ===

impl Sqlite {
    /// Reads the whole file on a connection of its own while others use it. The check ends early when `goes_on` says no,
    /// and when the write-ahead log has grown too much meanwhile: SQLite keeps what was written since the check began.
    ///
    /// # Errors
    ///
    /// What keeps the file from being read.
    pub async fn check(&self, goes_on: impl Fn() -> bool + Send + 'static) -> Result<Integrity, OpenError> {
        let mut connection = connect(&self.path, self.max_bytes, false).await?;
        let wal = beside(&self.path, WAL);
        let limit = length(&wal).saturating_add(GROWTH);
        let unread =
            |error: sqlx::Error| OpenError::Damaged { path: self.path.clone(), reason: error.to_string() };
        connection
            .lock_handle()
            .await
            .map_err(unread)?
            .set_progress_handler(STEPS, move || goes_on() && length(&wal) <= limit);
        let verdict = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
        let found: Result<String, StoreError> = verdict.map_err(|error| engine(&error));
        let found = match found {
            Ok(verdict) if verdict == "ok" => Integrity::Whole,
            Ok(reason) | Err(StoreError::Damaged(reason)) => Integrity::Damaged(reason),
            Err(StoreError::Interrupted) => Integrity::Interrupted,
            Err(error) => return Err(unread(sqlx::Error::Protocol(error.to_string()))),
        };
        if let Integrity::Damaged(reason) = &found {
            self.mark_damaged(reason);
        }
        // Read only; there is nothing to lose.
        let _ = connection.close().await;
        Ok(found)
    }

    /// Notes beside the file that it is damaged, so that the next start checks it first.
    pub(super) fn mark_damaged(&self, reason: &str) {
        let mark = || {
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(beside(&self.path, DAMAGED))?;
            writeln!(file, "{reason}")?;
            file.sync_all()
        };
        if let Err(error) = mark() {
            tracing::error!(%error, "cannot note beside the event store that it is damaged");
        }
    }
}

/// Steps of the engine between two looks at the write-ahead log.
const STEPS: i32 = 2000;
/// How much the write-ahead log may grow during a check.
const GROWTH: u64 = 256 * 1024 * 1024;
