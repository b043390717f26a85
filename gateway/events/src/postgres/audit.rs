//! Audit records in the database, on their own connection: one chain for all gateways that share the database.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Row, query_scalar};

use super::database::Postgres;
use super::error::{store_error, with_timeout};
use crate::{AuditEntry, Records, StoreError};

/// Reads and appends audit records. An error closes the connection; the next operation opens a new one.
#[derive(Debug)]
pub struct PostgresRecords {
    store: Postgres,
    connection: Option<PgConnection>,
    /// Whether the table is known to exist. The first record creates it; without it there are no records.
    table_exists: bool,
}

// === impl PostgresRecords ===

impl PostgresRecords {
    /// Returns access to the audit records of this database; opens nothing.
    pub fn new(store: &Postgres) -> Self {
        Self { store: store.clone(), connection: None, table_exists: false }
    }
}

#[async_trait]
impl Records for PostgresRecords {
    async fn read(&mut self, after: Option<i64>, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let (store, connection, mut table_exists) = (&self.store, self.connection.take(), self.table_exists);
        let done = with_timeout(async {
            let mut connection = store.connection(connection).await?;
            let rows = async {
                if !table_exists {
                    let query = "SELECT to_regclass('audit') IS NOT NULL";
                    table_exists = query_scalar(query).fetch_one(&mut connection).await?;
                }
                match (table_exists, after) {
                    (false, _) => Ok(Vec::new()),
                    (true, Some(after)) => {
                        sqlx::query(READ).bind(after).bind(limit).fetch_all(&mut connection).await
                    }
                    (true, None) => sqlx::query(NEWEST).fetch_all(&mut connection).await,
                }
            };
            let rows: Vec<PgRow> = rows.await.map_err(|error| store_error(&error))?;
            Ok((connection, rows, table_exists))
        });
        let (connection, rows, table_exists) = done.await?;
        (self.connection, self.table_exists) = (Some(connection), table_exists);
        rows.iter().map(read_entry).collect::<Result<_, _>>().map_err(|error| store_error(&error))
    }

    async fn append(&mut self, entry: &AuditEntry) -> Result<bool, StoreError> {
        let (store, connection, table_exists) = (&self.store, self.connection.take(), self.table_exists);
        let done = with_timeout(async {
            let mut connection = store.connection(connection).await?;
            let done = async {
                if !table_exists {
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
            let done = done.await.map_err(|error| store_error(&error))?;
            Ok((connection, done.rows_affected() > 0))
        });
        let (connection, added) = done.await?;
        (self.connection, self.table_exists) = (Some(connection), true);
        Ok(added)
    }
}

fn read_entry(row: &PgRow) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        seq: row.try_get(0)?,
        previous: row.try_get(1)?,
        record: row.try_get(2)?,
        hash: row.try_get(3)?,
    })
}

/// A query message with several statements is one transaction, which holds the advisory lock to its end: gateways that
/// create the table at the same time wait for each other.
const TABLE: &str = "SELECT pg_advisory_xact_lock(7266372); CREATE TABLE IF NOT EXISTS audit(seq bigint PRIMARY KEY, \
                     previous text NOT NULL, record text NOT NULL, hash text NOT NULL)";
const READ: &str = "SELECT seq, previous, record, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
const NEWEST: &str = "SELECT seq, previous, record, hash FROM audit ORDER BY seq DESC LIMIT 1";
/// Appends a record only when its number follows the last one, so that two gateways cannot fork the chain of records.
const APPEND: &str = "INSERT INTO audit(seq, previous, record, hash) SELECT $1, $2, $3, $4 \
                      WHERE (SELECT coalesce(max(seq), 0) FROM audit) = $1 - 1 ON CONFLICT DO NOTHING";
