//! Audit records in the store's file, on their own connection.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query_scalar};

use super::error::store_error;
use super::file::Sqlite;
use crate::{AuditEntry, Records, StoreError};

/// Reads and appends audit records. An error closes the connection; the next operation opens a new one.
#[derive(Debug)]
pub struct SqliteRecords {
    store: Sqlite,
    connection: Option<SqliteConnection>,
    /// Whether the table is known to exist. The first record creates it; without it there are no records.
    table_exists: bool,
}

// === impl SqliteRecords ===

impl SqliteRecords {
    /// Returns access to the audit records of this file; opens nothing.
    pub fn new(store: &Sqlite) -> Self {
        Self { store: store.clone(), connection: None, table_exists: false }
    }

    async fn connection(&mut self) -> Result<SqliteConnection, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut connection = self.store.connection(None).await?;
        sqlx::raw_sql(BUSY_TIMEOUT).execute(&mut connection).await.map_err(|error| store_error(&error))?;
        Ok(connection)
    }
}

#[async_trait]
impl Records for SqliteRecords {
    async fn read(&mut self, after: Option<i64>, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let mut connection = self.connection().await?;
        if !self.table_exists {
            let tables: i64 = query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'audit'")
                .fetch_one(&mut connection)
                .await
                .map_err(|error| store_error(&error))?;
            self.table_exists = tables > 0;
        }
        let rows = match (self.table_exists, after) {
            (false, _) => Vec::new(),
            (true, Some(after)) => sqlx::query(READ)
                .bind(after)
                .bind(limit)
                .fetch_all(&mut connection)
                .await
                .map_err(|error| store_error(&error))?,
            (true, None) => {
                sqlx::query(NEWEST).fetch_all(&mut connection).await.map_err(|error| store_error(&error))?
            }
        };
        self.connection = Some(connection);
        rows.iter().map(read_entry).collect::<Result<_, _>>().map_err(|error| store_error(&error))
    }

    async fn append(&mut self, entry: &AuditEntry) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        if !self.table_exists {
            sqlx::raw_sql(TABLE).execute(&mut connection).await.map_err(|error| store_error(&error))?;
            self.table_exists = true;
        }
        let done = sqlx::query(APPEND)
            .bind(entry.seq)
            .bind(&entry.previous)
            .bind(&entry.record)
            .bind(&entry.hash)
            .execute(&mut connection)
            .await
            .map_err(|error| store_error(&error))?;
        self.connection = Some(connection);
        Ok(done.rows_affected() > 0)
    }
}

fn read_entry(row: &SqliteRow) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        seq: row.try_get(0)?,
        previous: row.try_get(1)?,
        record: row.try_get(2)?,
        hash: row.try_get(3)?,
    })
}

/// How long an operation waits for SQLite's write lock: 15 s. The writer of events takes the lock for each batch, and
/// SQLite has no queue of waiting connections, so a short timeout could miss every gap between two batches on a slow
/// disk.
const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 15000";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS audit(seq INTEGER PRIMARY KEY, previous TEXT NOT NULL, \
                     record TEXT NOT NULL, hash TEXT NOT NULL) STRICT";
const READ: &str = "SELECT seq, previous, record, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const NEWEST: &str = "SELECT seq, previous, record, hash FROM audit ORDER BY seq DESC LIMIT 1";
/// Appends a record only when its number follows the last one, so that two writers cannot fork the chain of records.
const APPEND: &str = "INSERT INTO audit(seq, previous, record, hash) SELECT ?1, ?2, ?3, ?4 \
                      WHERE (SELECT coalesce(max(seq), 0) FROM audit) = ?1 - 1 ON CONFLICT DO NOTHING";
