//! Audit records in the database: one chain for all gateways that share it.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Row, query_scalar};

use super::database::Postgres;
use super::failure::{engine, in_time};
use crate::{AuditEntry, Records, StoreError};

/// An error closes the connection, and the next operation opens another.
#[derive(Debug)]
pub struct PostgresRecords {
    store: Postgres,
    connection: Option<PgConnection>,
    /// Whether the table is known to be there; one that is missing holds no records.
    is_made: bool,
}

// === impl PostgresRecords ===

impl PostgresRecords {
    /// The records of this database.
    pub fn new(store: &Postgres) -> Self {
        Self { store: store.clone(), connection: None, is_made: false }
    }
}

#[async_trait]
impl Records for PostgresRecords {
    async fn read(&mut self, after: Option<i64>, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let (store, connection, mut is_made) = (&self.store, self.connection.take(), self.is_made);
        let done = in_time(async {
            let mut connection = store.connection(connection).await?;
            let rows = async {
                if !is_made {
                    let there = "SELECT to_regclass('audit') IS NOT NULL";
                    is_made = query_scalar(there).fetch_one(&mut connection).await?;
                }
                match (is_made, after) {
                    (false, _) => Ok(Vec::new()),
                    (true, Some(after)) => {
                        sqlx::query(READ).bind(after).bind(limit).fetch_all(&mut connection).await
                    }
                    (true, None) => sqlx::query(NEWEST).fetch_all(&mut connection).await,
                }
            };
            let rows: Vec<PgRow> = rows.await.map_err(|error| engine(&error))?;
            Ok((connection, rows, is_made))
        });
        let (connection, rows, is_made) = done.await?;
        (self.connection, self.is_made) = (Some(connection), is_made);
        rows.iter().map(entry).collect::<Result<_, _>>().map_err(|error| engine(&error))
    }

    async fn append(&mut self, entry: &AuditEntry) -> Result<bool, StoreError> {
        let (store, connection, is_made) = (&self.store, self.connection.take(), self.is_made);
        let done = in_time(async {
            let mut connection = store.connection(connection).await?;
            let done = async {
                if !is_made {
                    sqlx::raw_sql(TABLE).execute(&mut connection).await?;
                }
                sqlx::query(APPEND)
                    .bind(entry.seq)
                    .bind(&entry.previous)
                    .bind(&entry.record)
                    .bind(&entry.hash)
                    .execute(&mut connection)
                    .await
            };
            let done = done.await.map_err(|error| engine(&error))?;
            Ok((connection, done.rows_affected() > 0))
        });
        let (connection, added) = done.await?;
        (self.connection, self.is_made) = (Some(connection), true);
        Ok(added)
    }
}

fn entry(row: &PgRow) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        seq: row.try_get(0)?,
        previous: row.try_get(1)?,
        record: row.try_get(2)?,
        hash: row.try_get(3)?,
    })
}

/// One message, and so one transaction: gateways that make the table together wait for each other.
const TABLE: &str = "SELECT pg_advisory_xact_lock(7266372); CREATE TABLE IF NOT EXISTS audit(seq bigint PRIMARY KEY, \
                     previous text NOT NULL, record text NOT NULL, hash text NOT NULL)";
const READ: &str = "SELECT seq, previous, record, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
const NEWEST: &str = "SELECT seq, previous, record, hash FROM audit ORDER BY seq DESC LIMIT 1";
const APPEND: &str = "INSERT INTO audit(seq, previous, record, hash) SELECT $1, $2, $3, $4 \
                      WHERE (SELECT coalesce(max(seq), 0) FROM audit) = $1 - 1 ON CONFLICT DO NOTHING";
