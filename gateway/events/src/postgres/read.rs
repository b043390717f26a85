//! The reading side: what is due is claimed in the same statement that finds it.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Postgres as Engine, QueryBuilder, Row};
use uuid::Uuid;

use super::database::Postgres;
use super::due::{due_of, newest_untried};
use super::failure::{engine, in_time};
use super::filter::{millis, push_filter, shown};
use super::reseal::parked_owners;
use super::rows::{attempt, listed, listed_columns, owner};
use super::{standing, undelivered};
use crate::{
    Attempt, Backlog, Claim, Cursor, DueEvent, Filter, Listed, Millis, Owner, Parked, Reader, Record, Sealed,
    Seen, Standing, StoreError, Undelivered, Waiting, Wanted, now,
};

/// Looks into the store; an error closes the connection, and the next look opens another.
#[derive(Debug)]
pub struct PostgresReader {
    store: Postgres,
    connection: Option<PgConnection>,
}

// === impl Postgres ===

impl Postgres {
    /// The reading side, which claims what is due.
    pub fn reader(&self) -> PostgresReader {
        PostgresReader::new(self.clone())
    }
}

// === impl PostgresReader ===

impl PostgresReader {
    pub(super) fn new(store: Postgres) -> Self {
        Self { store, connection: None }
    }

    /// Planned anew each time: the plan of a statement without parameters is kept whatever `plan_cache_mode` says, and one
    /// that was made while the tables were empty reads all of them later.
    async fn rows<T>(
        &mut self,
        query: QueryBuilder<Engine>,
        read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        self.fetch(query, false, read).await
    }

    async fn fetch<T>(
        &mut self,
        mut query: QueryBuilder<Engine>,
        is_kept: bool,
        read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        let (store, connection) = (&self.store, self.connection.take());
        let (connection, rows) = in_time(async {
            let mut connection = store.connection_for_claims(connection).await?;
            let query = query.build().persistent(is_kept);
            let rows = query.fetch_all(&mut connection).await.map_err(|error| engine(&error))?;
            Ok((connection, rows))
        })
        .await?;
        self.connection = Some(connection);
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| engine(&error))
    }

    /// Claims what `free` of the statement so far selects.
    async fn claim(&mut self, mut query: QueryBuilder<Engine>) -> Result<Vec<DueEvent>, StoreError> {
        let lease = i64::try_from(self.store.lease.as_millis()).unwrap_or(i64::MAX);
        // A claim that a crash of the server loses must not come again with the same epoch: a late result would end another
        // gateway's.
        query.push(
            " UPDATE event SET epoch = greatest(epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint), \
             leased_until = now() + ",
        );
        query
            .push_bind(lease)
            .push(" * interval '1 millisecond' FROM free WHERE event.id = free.id RETURNING ");
        query.push("event.id, uid, tenant, key_id, body, attempts, trace, epoch, ").push(millis("since"));
        query.push(", subscription, webhook, seal, refusals");
        let clock = now();
        let read = |row: &PgRow| {
            let attempts: i32 = row.try_get(5)?;
            let (age, refusals): (i64, i32) = (row.try_get(8)?, row.try_get(12)?);
            Ok(DueEvent {
                refusals: u32::try_from(refusals).unwrap_or_default(),
                claim: Claim { id: row.try_get(0)?, epoch: row.try_get(7)? },
                uid: row.try_get(1)?,
                owner: owner(row, 2, 9)?,
                body: Sealed { key_id: row.try_get(3)?, bytes: row.try_get(4)? },
                attempts: u32::try_from(attempts).unwrap_or_default(),
                received: clock + age,
                trace: row.try_get(6)?,
            })
        };
        self.fetch(query, true, read).await
    }
}

#[async_trait]
impl Reader for PostgresReader {
    async fn waiting(&mut self) -> Result<Vec<Waiting>, StoreError> {
        // One step of the index for each tenant, however many events it has.
        let query = QueryBuilder::new(format!(
            "WITH RECURSIVE name(tenant) AS (\
               SELECT min(tenant) FROM event WHERE state = 0 \
               UNION ALL \
               SELECT (SELECT min(tenant) FROM event WHERE state = 0 AND tenant > name.tenant) FROM name \
               WHERE name.tenant IS NOT NULL) \
             SELECT tenant, (SELECT {} FROM event WHERE state = 0 AND event.tenant = name.tenant) \
             FROM name WHERE tenant IS NOT NULL",
            millis("min(due)")
        ));
        let clock = now();
        let read = |row: &PgRow| {
            // Between two looks the last event of a tenant may have ended.
            let ahead: Option<i64> = row.try_get(1)?;
            Ok(Waiting { tenant: row.try_get(0)?, first_due: clock + ahead.unwrap_or_default() })
        };
        self.rows(query, read).await
    }

    async fn due_of(
        &mut self,
        wanted: &[Wanted],
        _now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError> {
        let mut found = Vec::new();
        for retries in [true, false] {
            let alike: Vec<&Wanted> = wanted.iter().filter(|one| one.retries == retries).collect();
            if alike.is_empty() {
                continue;
            }
            match self.claim(due_of(&alike, retries, except)).await {
                Ok(events) => found.extend(events),
                Err(error) if found.is_empty() => return Err(error),
                // What is claimed already must not wait for the end of its lease.
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
        let read = |row: &PgRow| owner(row, 0, 1);
        Ok(self.rows(query, read).await?.into_iter().next())
    }

    async fn parked_owners(&mut self) -> Result<Vec<Owner>, StoreError> {
        self.rows(parked_owners(), |row| owner(row, 0, 1)).await
    }

    async fn unbound(&mut self, limit: usize) -> Result<Vec<(i64, String)>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT id, tenant FROM event WHERE subscription IS NULL AND state IN (0, 2) ORDER BY id LIMIT ",
        );
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let read = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        self.rows(query, read).await
    }

    async fn list(&mut self, filter: &Filter, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let mut query = QueryBuilder::new(format!("SELECT {} FROM event WHERE ", listed_columns()));
        push_filter(&mut query, filter);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.rows(query, listed).await
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
            shown("at")
        ));
        query.push_bind(uid).push(") ORDER BY id");
        self.rows(query, attempt).await
    }

    async fn standing(&mut self) -> Result<Vec<Standing>, StoreError> {
        self.rows(standing::standing(), standing::read).await
    }

    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        let query = QueryBuilder::new(format!(
            "SELECT tenant, count(*), {}, {} FROM event WHERE state = 0 GROUP BY tenant",
            millis("min(due)"),
            millis("min(received)")
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

    async fn parked(&mut self) -> Result<Vec<Parked>, StoreError> {
        let query = QueryBuilder::new(
            "SELECT tenant, coalesce(dead_reason, ''), count(*) FROM event WHERE state = 3 GROUP BY 1, 2",
        );
        let read = |row: &PgRow| {
            Ok(Parked { tenant: row.try_get(0)?, reason: row.try_get(1)?, events: row.try_get(2)? })
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
            "SELECT {}, id, dedup, key_id, body, {}, subscription, webhook, seal FROM event WHERE id > ",
            listed_columns(),
            millis("since")
        ));
        query.push_bind(after).push(" AND ");
        push_filter(&mut query, filter);
        query.push(" ORDER BY id LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let clock = now();
        let read = |row: &PgRow| {
            Ok(Record {
                listed: listed(row)?,
                owner: owner(row, 1, 16)?,
                id: row.try_get(11)?,
                dedup: row.try_get(12)?,
                body: Sealed { key_id: row.try_get(13)?, bytes: row.try_get(14)? },
                since: clock + row.try_get::<i64, _>(15)?,
                tries: Vec::new(),
            })
        };
        let mut records = self.rows(query, read).await?;
        for record in &mut records {
            record.tries = self.attempts(record.listed.uid).await?;
        }
        Ok(records)
    }

    async fn seen(&mut self, after: &[u8], limit: usize) -> Result<Vec<Seen>, StoreError> {
        let mut query =
            QueryBuilder::new(format!("SELECT dedup, {}, tenant FROM seen WHERE dedup > ", millis("at")));
        query.push_bind(after.to_vec()).push(" ORDER BY dedup LIMIT ");
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let clock = now();
        let read = |row: &PgRow| {
            let at = clock + row.try_get::<i64, _>(1)?;
            Ok(Seen { dedup: row.try_get(0)?, at, tenant: row.try_get(2)? })
        };
        self.rows(query, read).await
    }

    async fn free(&mut self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}
