//! Audit records in the store file, over a connection of their own.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query_scalar};

use super::failure::engine;
use super::file::Sqlite;
use crate::{AuditEntry, Records, StoreError};

/// An error closes the connection, and the next operation opens another.
#[derive(Debug)]
pub struct SqliteRecords {
    store: Sqlite,
    connection: Option<SqliteConnection>,
    /// Whether the table is known to be there; one that is missing holds no records.
    is_made: bool,
}

// === impl SqliteRecords ===

impl SqliteRecords {
    /// The records of this file.
    pub fn new(store: &Sqlite) -> Self {
        Self { store: store.clone(), connection: None, is_made: false }
    }

    async fn connection(&mut self) -> Result<SqliteConnection, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut connection = self.store.connection(None).await?;
        sqlx::raw_sql(BUSY_TIMEOUT).execute(&mut connection).await.map_err(|error| engine(&error))?;
        Ok(connection)
    }
}

#[async_trait]
impl Records for SqliteRecords {
    async fn read(&mut self, after: Option<i64>, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let mut connection = self.connection().await?;
        if !self.is_made {
            let there: i64 = query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'audit'")
                .fetch_one(&mut connection)
                .await
                .map_err(|error| engine(&error))?;
            self.is_made = there > 0;
        }
        let rows = match (self.is_made, after) {
            (false, _) => Vec::new(),
            (true, Some(after)) => sqlx::query(READ)
                .bind(after)
                .bind(limit)
                .fetch_all(&mut connection)
                .await
                .map_err(|error| engine(&error))?,
            (true, None) => {
                sqlx::query(NEWEST).fetch_all(&mut connection).await.map_err(|error| engine(&error))?
            }
        };
        self.connection = Some(connection);
        rows.iter().map(entry).collect::<Result<_, _>>().map_err(|error| engine(&error))
    }

    async fn append(&mut self, entry: &AuditEntry) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        if !self.is_made {
            sqlx::raw_sql(TABLE).execute(&mut connection).await.map_err(|error| engine(&error))?;
            self.is_made = true;
        }
        let done = sqlx::query(APPEND)
            .bind(entry.seq)
            .bind(&entry.previous)
            .bind(&entry.record)
            .bind(&entry.hash)
            .execute(&mut connection)
            .await
            .map_err(|error| engine(&error))?;
        self.connection = Some(connection);
        Ok(done.rows_affected() > 0)
    }
}

fn entry(row: &SqliteRow) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        seq: row.try_get(0)?,
        previous: row.try_get(1)?,
        record: row.try_get(2)?,
        hash: row.try_get(3)?,
    })
}

/// The writer of events takes the lock again and again, and on a slow disk holds it for long; SQLite lets nobody queue.
const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 15000";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS audit(seq INTEGER PRIMARY KEY, previous TEXT NOT NULL, \
                     record TEXT NOT NULL, hash TEXT NOT NULL) STRICT";
const READ: &str = "SELECT seq, previous, record, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const NEWEST: &str = "SELECT seq, previous, record, hash FROM audit ORDER BY seq DESC LIMIT 1";
const APPEND: &str = "INSERT INTO audit(seq, previous, record, hash) SELECT ?1, ?2, ?3, ?4 \
                      WHERE (SELECT coalesce(max(seq), 0) FROM audit) = ?1 - 1 ON CONFLICT DO NOTHING";
