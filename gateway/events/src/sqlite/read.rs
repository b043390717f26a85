//! Reads the store for the dispatcher and for operators, on one connection that never writes.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite as Engine};
use uuid::Uuid;

use super::due::{due_of, newest_untried};
use super::error::store_error;
use super::file::Sqlite;
use super::filter::push_filter;
use super::ownership::parked_owners;
use super::rows::{ATTEMPT, DUE, LISTED, read_attempt, read_due, read_listed, read_owner};
use super::space::used_bytes;
use super::{event_counts, undelivered};
use crate::{
    Attempt, Backlog, Cursor, DeletedEventKey, DueEvent, DueRequest, Filter, Heartbeat, ListedEvent, Millis,
    Owner, ParkedCount, Reader, Record, Sealed, Source, StoreError, TenantEventCounts, Undelivered,
    WaitingTenant,
};

/// Reads the store. An error closes the connection; the next query opens a new one.
#[derive(Debug)]
pub struct SqliteReader {
    store: Sqlite,
    connection: Option<SqliteConnection>,
}

// === impl Sqlite ===

impl Sqlite {
    /// Returns a reader; opens nothing.
    pub fn reader(&self) -> SqliteReader {
        SqliteReader::new(self.clone())
    }
}

// === impl SqliteReader ===

impl SqliteReader {
    pub(super) fn new(store: Sqlite) -> Self {
        Self { store, connection: None }
    }

    pub(super) async fn rows(
        &mut self,
        mut query: QueryBuilder<Engine>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut connection = self.store.connection(self.connection.take()).await?;
        let rows = query.build().fetch_all(&mut connection).await.map_err(|error| store_error(&error))?;
        self.connection = Some(connection);
        Ok(rows)
    }
}

#[async_trait]
impl Reader for SqliteReader {
    async fn waiting(&mut self) -> Result<Vec<WaitingTenant>, StoreError> {
        // A recursive query searches the index once per tenant; `SELECT DISTINCT` would read all waiting events.
        let query = QueryBuilder::new(
            "WITH RECURSIVE name(tenant) AS (\
               SELECT min(tenant) FROM event WHERE state = 0 \
               UNION ALL \
               SELECT (SELECT min(tenant) FROM event WHERE state = 0 AND tenant > name.tenant) FROM name \
               WHERE name.tenant IS NOT NULL) \
             SELECT tenant, (SELECT min(due_ms) FROM event WHERE state = 0 AND event.tenant = name.tenant) \
             FROM name WHERE tenant IS NOT NULL",
        );
        let read = |row: SqliteRow| Ok(WaitingTenant { tenant: row.try_get(0)?, first_due: row.try_get(1)? });
        self.rows(query)
            .await?
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| store_error(&error))
    }

    async fn due_of(
        &mut self,
        wanted: &[DueRequest],
        now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError> {
        // SQLite's `LIMIT` cannot be a column, so tenants with the same limit share a query.
        let mut groups: HashMap<(usize, bool), Vec<&str>> = HashMap::new();
        for one in wanted {
            groups.entry((one.limit, one.retries)).or_default().push(&one.tenant);
        }
        let except = serde_json::json!(except).to_string();
        let mut found = Vec::new();
        for ((limit, retries), tenants) in groups {
            let rows = self.rows(due_of(&tenants, now, limit, retries, &except)).await?;
            for row in &rows {
                found.push(read_due(row).map_err(|error| store_error(&error))?);
            }
        }
        Ok(found)
    }

    async fn newest_untried(
        &mut self,
        tenant: &str,
        now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError> {
        let rows = self.rows(newest_untried(DUE, tenant, now, except)).await?;
        rows.iter().map(read_due).collect::<Result<_, _>>().map_err(|error| store_error(&error))
    }

    async fn owner(&mut self, tenant: &str) -> Result<Option<Owner>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT tenant, subscription, webhook, seal FROM event WHERE state = 0 AND tenant = ",
        );
        query.push_bind(tenant.to_owned()).push(" ORDER BY due_ms LIMIT 1");
        let read = |row: &SqliteRow| read_owner(row, 0, 1);
        let rows = self.rows(query).await?;
        rows.first().map(read).transpose().map_err(|error| store_error(&error))
    }

    async fn parked_owners(&mut self) -> Result<Vec<Owner>, StoreError> {
        let rows = self.rows(parked_owners()).await?;
        rows.iter()
            .map(|row| read_owner(row, 0, 1))
            .collect::<Result<_, _>>()
            .map_err(|error| store_error(&error))
    }

    async fn unbound(&mut self, limit: usize) -> Result<Vec<(i64, String)>, StoreError> {
        // Waiting events need a customer for their next attempt, and dead ones because they can be replayed.
        let mut query = QueryBuilder::new(
            "SELECT id, tenant FROM event WHERE subscription IS NULL AND state IN (0, 2) ORDER BY id LIMIT ",
        );
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let read = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
        self.rows(query)
            .await?
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| store_error(&error))
    }

    async fn list(&mut self, filter: &Filter, limit: usize) -> Result<Vec<ListedEvent>, StoreError> {
        let mut query = QueryBuilder::new(format!("SELECT {LISTED} FROM event WHERE "));
        push_filter(&mut query, filter);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.rows(query)
            .await?
            .iter()
            .map(read_listed)
            .collect::<Result<_, _>>()
            .map_err(|error| store_error(&error))
    }

    async fn undelivered(
        &mut self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Undelivered>, StoreError> {
        let rows = self.rows(undelivered::undelivered(filter, after, limit)).await?;
        rows.iter().map(undelivered::read).collect::<Result<_, _>>().map_err(|error| store_error(&error))
    }

    async fn count(&mut self, filter: &Filter) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM event WHERE ");
        push_filter(&mut query, filter);
        let rows = self.rows(query).await?;
        rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(|error| store_error(&error))
    }

    async fn attempts(&mut self, uid: Uuid) -> Result<Vec<Attempt>, StoreError> {
        let mut query = QueryBuilder::new(format!(
            "SELECT {ATTEMPT} FROM attempt WHERE event = (SELECT id FROM event WHERE uid = "
        ));
        query.push_bind(uid.as_bytes().to_vec()).push(") ORDER BY rowid");
        self.rows(query)
            .await?
            .iter()
            .map(read_attempt)
            .collect::<Result<_, _>>()
            .map_err(|error| store_error(&error))
    }

    async fn event_counts(&mut self) -> Result<Vec<TenantEventCounts>, StoreError> {
        let rows = self.rows(event_counts::event_counts()).await?;
        rows.iter().map(event_counts::read).collect::<Result<_, _>>().map_err(|error| store_error(&error))
    }

    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        let query = QueryBuilder::new(
            "SELECT tenant, count(*), min(due_ms), min(received_ms) FROM event WHERE state = 0 GROUP BY tenant",
        );
        let read = |row: SqliteRow| {
            Ok(Backlog {
                tenant: row.try_get(0)?,
                events: row.try_get(1)?,
                first_due: row.try_get(2)?,
                oldest: row.try_get(3)?,
            })
        };
        self.rows(query)
            .await?
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| store_error(&error))
    }

    async fn parked(&mut self) -> Result<Vec<ParkedCount>, StoreError> {
        let query = QueryBuilder::new(
            "SELECT tenant, coalesce(dead_reason, ''), count(*) FROM event WHERE state = 3 GROUP BY 1, 2",
        );
        let read = |row: &SqliteRow| {
            Ok(ParkedCount { tenant: row.try_get(0)?, reason: row.try_get(1)?, events: row.try_get(2)? })
        };
        self.rows(query)
            .await?
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| store_error(&error))
    }

    async fn records(
        &mut self,
        filter: &Filter,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut query = QueryBuilder::new(format!(
            "SELECT {LISTED}, id, dedup, key_id, body, since_ms, subscription, webhook, seal, source \
             FROM event WHERE id > "
        ));
        query.push_bind(after).push(" AND ");
        push_filter(&mut query, filter);
        query.push(" ORDER BY id LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let read = |row: &SqliteRow| -> Result<Record, sqlx::Error> {
            Ok(Record {
                listed: read_listed(row)?,
                owner: read_owner(row, 1, 16)?,
                id: row.try_get(11)?,
                dedup: row.try_get(12)?,
                body: Sealed { key_id: row.try_get(13)?, bytes: row.try_get(14)? },
                since: row.try_get(15)?,
                source: Source::of(row.try_get(19)?),
                attempts: Vec::new(),
            })
        };
        let rows = self.rows(query).await?;
        let mut records: Vec<Record> =
            rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| store_error(&error))?;
        for record in &mut records {
            record.attempts = self.attempts(record.listed.uid).await?;
        }
        Ok(records)
    }

    async fn seen(&mut self, after: &[u8], limit: usize) -> Result<Vec<DeletedEventKey>, StoreError> {
        let mut query = QueryBuilder::new("SELECT dedup, at_ms, tenant FROM seen WHERE dedup > ");
        query.push_bind(after.to_vec()).push(" ORDER BY dedup LIMIT ");
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let read = |row: &SqliteRow| {
            Ok(DeletedEventKey { dedup: row.try_get(0)?, at: row.try_get(1)?, tenant: row.try_get(2)? })
        };
        self.rows(query)
            .await?
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| store_error(&error))
    }

    async fn alive(&mut self) -> Result<Option<Heartbeat>, StoreError> {
        let mut connection = self.store.connection(self.connection.take()).await?;
        let alive =
            super::heartbeat::read_heartbeat(&mut connection).await.map_err(|error| store_error(&error))?;
        self.connection = Some(connection);
        Ok(alive)
    }

    async fn free(&mut self) -> Result<Option<u64>, StoreError> {
        let mut connection = self.store.connection(self.connection.take()).await?;
        let used = used_bytes(&mut connection).await.map_err(|error| store_error(&error))?;
        self.connection = Some(connection);
        // When the file system does not report its free space, only the limit of the store counts.
        let disk =
            rustix::fs::statvfs(&self.store.path).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize);
        Ok(Some(self.store.max_bytes.saturating_sub(used).min(disk)))
    }
}
