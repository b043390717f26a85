//! Reads the store for the dispatcher and for operators. One statement selects and claims due events, so that two gateways
//! never claim the same event.
//!
//! Times that other parts of the gateway compare with their own clock are read as distances from the database's `now()`.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Postgres as Engine, QueryBuilder, Row};
use uuid::Uuid;

use super::database::Postgres;
use super::due::{due_of, newest_untried};
use super::error::{store_error, with_timeout};
use super::filter::{millis_from_now, push_filter, unix_millis};
use super::ownership::parked_owners;
use super::rows::{listed_columns, read_attempt, read_listed, read_owner};
use super::{event_counts, undelivered};
use crate::{
    Attempt, Backlog, Cursor, DeletedEventKey, DueEvent, DueRequest, Filter, ListedEvent, Millis, Owner,
    ParkedCount, Reader, Record, Sealed, Source, StoreError, TenantEventCounts, Undelivered, WaitingTenant,
    now,
};

/// Reads the store. An error closes the connection; the next query opens a new one.
#[derive(Debug)]
pub struct PostgresReader {
    pub(super) store: Postgres,
    connection: Option<PgConnection>,
}

// === impl Postgres ===

impl Postgres {
    /// Returns a reader, which claims due events; opens nothing.
    pub fn reader(&self) -> PostgresReader {
        PostgresReader::new(self.clone())
    }
}

// === impl PostgresReader ===

impl PostgresReader {
    pub(super) fn new(store: Postgres) -> Self {
        Self { store, connection: None }
    }

    /// Runs a query that PostgreSQL plans each time. It would keep the plan of a prepared statement without parameters,
    /// whatever `plan_cache_mode` is, and a plan that was made while the tables were empty would scan them when they are
    /// full.
    pub(super) async fn rows<T>(
        &mut self,
        query: QueryBuilder<Engine>,
        read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        self.fetch(query, false, read).await
    }

    /// Runs a query; with `is_cached` its prepared statement stays on the connection.
    pub(super) async fn fetch<T>(
        &mut self,
        mut query: QueryBuilder<Engine>,
        is_cached: bool,
        read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        let (store, connection) = (&self.store, self.connection.take());
        let (connection, rows) = with_timeout(async {
            let mut connection = store.connection_for_claims(connection).await?;
            let query = query.build().persistent(is_cached);
            let rows = query.fetch_all(&mut connection).await.map_err(|error| store_error(&error))?;
            Ok((connection, rows))
        })
        .await?;
        self.connection = Some(connection);
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| store_error(&error))
    }
}

#[async_trait]
impl Reader for PostgresReader {
    async fn waiting(&mut self) -> Result<Vec<WaitingTenant>, StoreError> {
        // A recursive query searches the index once per tenant; `SELECT DISTINCT` would read all waiting events.
        let query = QueryBuilder::new(format!(
            "WITH RECURSIVE name(tenant) AS (\
               SELECT min(tenant) FROM event WHERE state = 0 \
               UNION ALL \
               SELECT (SELECT min(tenant) FROM event WHERE state = 0 AND tenant > name.tenant) FROM name \
               WHERE name.tenant IS NOT NULL) \
             SELECT tenant, (SELECT {} FROM event WHERE state = 0 AND event.tenant = name.tenant) \
             FROM name WHERE tenant IS NOT NULL",
            millis_from_now("min(due)")
        ));
        let clock = now();
        let read = |row: &PgRow| {
            // `min` is NULL when it finds no event.
            let ahead: Option<i64> = row.try_get(1)?;
            Ok(WaitingTenant { tenant: row.try_get(0)?, first_due: clock + ahead.unwrap_or_default() })
        };
        self.rows(query, read).await
    }

    async fn due_of(
        &mut self,
        wanted: &[DueRequest],
        _now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError> {
        let mut found = Vec::new();
        for retries in [true, false] {
            let group: Vec<&DueRequest> = wanted.iter().filter(|one| one.retries == retries).collect();
            if group.is_empty() {
                continue;
            }
            match self.claim(due_of(&group, retries, except)).await {
                Ok(events) => found.extend(events),
                Err(error) if found.is_empty() => return Err(error),
                // The events of the first query are claimed: without an attempt now, they would wait until the lease
                // expires.
                Err(_) => break,
            }
        }
        Ok(found)
    }

    async fn newest_untried(
        &mut self,
        tenant: &str,
        _now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError> {
        self.claim(newest_untried(tenant, except)).await
    }

    async fn owner(&mut self, tenant: &str) -> Result<Option<Owner>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT tenant, subscription, webhook, seal FROM event WHERE state = 0 AND tenant = ",
        );
        query.push_bind(tenant.to_owned()).push(" ORDER BY due LIMIT 1");
        let read = |row: &PgRow| read_owner(row, 0, 1);
        Ok(self.rows(query, read).await?.into_iter().next())
    }

    async fn parked_owners(&mut self) -> Result<Vec<Owner>, StoreError> {
        self.rows(parked_owners(), |row| read_owner(row, 0, 1)).await
    }

    async fn unbound(&mut self, limit: usize) -> Result<Vec<(i64, String)>, StoreError> {
        // Waiting events need a customer for their next attempt, and dead ones because they can be replayed.
        let mut query = QueryBuilder::new(
            "SELECT id, tenant FROM event WHERE subscription IS NULL AND state IN (0, 2) ORDER BY id LIMIT ",
        );
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let read = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        self.rows(query, read).await
    }

    async fn list(&mut self, filter: &Filter, limit: usize) -> Result<Vec<ListedEvent>, StoreError> {
        let mut query = QueryBuilder::new(format!("SELECT {} FROM event WHERE ", listed_columns()));
        push_filter(&mut query, filter);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.rows(query, read_listed).await
    }

    async fn undelivered(
        &mut self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Undelivered>, StoreError> {
        self.rows(undelivered::undelivered(filter, after, limit), undelivered::read).await
    }

    async fn count(&mut self, filter: &Filter) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM event WHERE ");
        push_filter(&mut query, filter);
        Ok(self.rows(query, |row| row.try_get(0)).await?.first().copied().unwrap_or_default())
    }

    async fn attempts(&mut self, uid: Uuid) -> Result<Vec<Attempt>, StoreError> {
        let mut query = QueryBuilder::new(format!(
            "SELECT {}, took_ms, status, error, answer_key, answer, class FROM attempt \
             WHERE event = (SELECT id FROM event WHERE uid = ",
            unix_millis("at")
        ));
        query.push_bind(uid).push(") ORDER BY id");
        self.rows(query, read_attempt).await
    }

    async fn event_counts(&mut self) -> Result<Vec<TenantEventCounts>, StoreError> {
        self.rows(event_counts::event_counts(), event_counts::read).await
    }

    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        let query = QueryBuilder::new(format!(
            "SELECT tenant, count(*), {}, {} FROM event WHERE state = 0 GROUP BY tenant",
            millis_from_now("min(due)"),
            millis_from_now("min(received)")
        ));
        let clock = now();
        let read = |row: &PgRow| {
            let (due, oldest): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            Ok(Backlog {
                tenant: row.try_get(0)?,
                events: row.try_get(1)?,
                first_due: clock + due,
                oldest: clock + oldest,
            })
        };
        self.rows(query, read).await
    }

    async fn parked(&mut self) -> Result<Vec<ParkedCount>, StoreError> {
        let query = QueryBuilder::new(
            "SELECT tenant, coalesce(dead_reason, ''), count(*) FROM event WHERE state = 3 GROUP BY 1, 2",
        );
        let read = |row: &PgRow| {
            Ok(ParkedCount { tenant: row.try_get(0)?, reason: row.try_get(1)?, events: row.try_get(2)? })
        };
        self.rows(query, read).await
    }

    async fn records(
        &mut self,
        filter: &Filter,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut query = QueryBuilder::new(format!(
            "SELECT {}, id, dedup, key_id, body, {}, subscription, webhook, seal, source FROM event WHERE id > ",
            listed_columns(),
            millis_from_now("since")
        ));
        query.push_bind(after).push(" AND ");
        push_filter(&mut query, filter);
        query.push(" ORDER BY id LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let clock = now();
        let read = |row: &PgRow| {
            Ok(Record {
                listed: read_listed(row)?,
                owner: read_owner(row, 1, 16)?,
                id: row.try_get(11)?,
                dedup: row.try_get(12)?,
                body: Sealed { key_id: row.try_get(13)?, bytes: row.try_get(14)? },
                since: clock + row.try_get::<i64, _>(15)?,
                source: Source::of(row.try_get(19)?),
                attempts: Vec::new(),
            })
        };
        let mut records = self.rows(query, read).await?;
        for record in &mut records {
            record.attempts = self.attempts(record.listed.uid).await?;
        }
        Ok(records)
    }

    async fn seen(&mut self, after: &[u8], limit: usize) -> Result<Vec<DeletedEventKey>, StoreError> {
        let mut query = QueryBuilder::new(format!(
            "SELECT dedup, {}, tenant FROM seen WHERE dedup > ",
            millis_from_now("at")
        ));
        query.push_bind(after.to_vec()).push(" ORDER BY dedup LIMIT ");
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let clock = now();
        let read = |row: &PgRow| {
            let at = clock + row.try_get::<i64, _>(1)?;
            Ok(DeletedEventKey { dedup: row.try_get(0)?, at, tenant: row.try_get(2)? })
        };
        self.rows(query, read).await
    }

    async fn free(&mut self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}
