//! The writing side: one connection, one commit for each batch.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use kyc_resilience::failpoint;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::alive::note;
use super::bulk::{CLAMP, PULL_FORWARD, UNPARK, discard, replay};
use super::failure::engine;
use super::file::Sqlite;
use super::insert::insert;
use super::reseal::{bind, reseal, unpark_customer};
use super::room::{Room, make_room};
use super::shift::{newest, shift};
use super::sweep::{shrink, sweep};
use crate::share::{KEY, ShareCheck, Usage, tenants};
use crate::{Command, DISCARDED, Effect, Failure, Finish, PAGE, State, StoreError, Writer, now};

/// Commits batches. Any error closes the connection, since one that has failed within a transaction may stay
/// unusable; the next batch opens another.
#[derive(Debug)]
pub struct SqliteWriter {
    store: Sqlite,
    connection: Option<SqliteConnection>,
}

// === impl Sqlite ===

impl Sqlite {
    /// The writing side.
    pub fn writer(&self) -> SqliteWriter {
        SqliteWriter::new(self.clone())
    }
}

// === impl SqliteWriter ===

impl SqliteWriter {
    pub(super) fn new(store: Sqlite) -> Self {
        Self { store, connection: None }
    }

    /// Commits all changes, or none of them.
    async fn write_all(&mut self, batch: &[Command]) -> Result<Vec<Effect>, StoreError> {
        let mut connection = self.store.connection(self.connection.take()).await?;
        match commit(&mut connection, batch, &self.store).await {
            Ok(effects) => {
                self.connection = Some(connection);
                Ok(effects)
            }
            Err(error) => {
                // Dropping the connection rolls back as well; this only frees the lock at once.
                let _ = sqlx::raw_sql("ROLLBACK").execute(&mut connection).await;
                let error = engine(&error);
                if let StoreError::Damaged(reason) = &error {
                    self.store.mark_damaged(reason);
                }
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Writer for SqliteWriter {
    async fn write(&mut self, batch: &[Command]) -> Vec<Result<Effect, StoreError>> {
        match self.write_all(batch).await {
            Ok(effects) => effects.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); batch.len()],
        }
    }
}

async fn commit(
    connection: &mut SqliteConnection,
    batch: &[Command],
    store: &Sqlite,
) -> Result<Vec<Effect>, sqlx::Error> {
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let (room, used) = make_room(connection, store, batch.len()).await?;
    // Results are recorded in any case.
    let is_log_full = store.is_wal_full();
    let is_full = room == Room::Full || is_log_full;
    let refused = if is_full { HashSet::new() } else { refused(connection, batch, store, used).await? };
    let newest = newest(connection, batch).await?;
    let new = if is_full { HashMap::new() } else { insert(connection, batch, &refused).await? };
    let mut effects = Vec::with_capacity(batch.len());
    for change in batch {
        effects.push(match change {
            Command::Insert(_) if is_log_full => Effect::LogFull,
            Command::Insert(_) if is_full => Effect::Full,
            Command::Insert(event) if refused.contains(&event.uid) => Effect::OverShare,
            Command::Insert(event) => new.get(&event.uid).copied().unwrap_or(Effect::Nothing),
            Command::Replay { filter, now, per_second, progress } => {
                Effect::Changed(replay(connection, filter, *now, *per_second, *progress).await?)
            }
            Command::Discard { filter, now, progress } => {
                Effect::Changed(discard(connection, filter, *now, *progress).await?)
            }
            Command::ShiftTimes { by, now, progress } => {
                Effect::Changed(shift(connection, *by, *now, *progress, newest).await?)
            }
            other => Effect::of(apply(connection, other, room, store).await?),
        });
    }
    failpoint!("inserted");
    sqlx::raw_sql("COMMIT").execute(connection).await?;
    Ok(effects)
}

/// The new events for which their tenants have no room.
async fn refused(
    connection: &mut SqliteConnection,
    batch: &[Command],
    store: &Sqlite,
    used: u64,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let tenants = tenants(batch);
    let Some(mut share) = store.share.filter(|_| !tenants.is_empty()) else { return Ok(HashSet::new()) };
    if used >= store.max_bytes / 5 * 4 {
        let query = sqlx::query_scalar("SELECT count(*) FROM event_use WHERE events > 0");
        share = share.when_scarce(store.max_bytes, query.fetch_one(&mut *connection).await?);
    }
    let names = serde_json::json!(tenants).to_string();
    let query = "SELECT tenant, events, bytes + keys * ?2 FROM event_use \
                 WHERE tenant IN (SELECT value FROM json_each(?1))";
    let mut usage = HashMap::with_capacity(tenants.len());
    for row in sqlx::query(query).bind(names).bind(KEY).fetch_all(connection).await? {
        usage.insert(row.try_get(0)?, Usage { events: row.try_get(1)?, bytes: row.try_get(2)? });
    }
    Ok(ShareCheck::new(share, &mut usage).refused(batch))
}

async fn apply(
    connection: &mut SqliteConnection,
    change: &Command,
    room: Room,
    store: &Sqlite,
) -> Result<bool, sqlx::Error> {
    match change {
        // Claims are in memory.
        Command::Insert(_)
        | Command::Replay { .. }
        | Command::Discard { .. }
        | Command::ShiftTimes { .. }
        | Command::Release(_) => Ok(false),
        Command::Finish(end) => finish(connection, end, room).await,
        Command::MakeDue { tenant, now } => {
            let query = sqlx::query(PULL_FORWARD).bind(now).bind(tenant).bind(PAGE);
            let done = query.execute(connection).await?;
            Ok(done.rows_affected() > 0)
        }
        Command::LimitDueTimes { latest } => {
            Ok(sqlx::query(CLAMP).bind(latest).bind(PAGE).execute(connection).await?.rows_affected() > 0)
        }
        Command::Unpark { keys, now } => {
            let keys = serde_json::json!(keys).to_string();
            let query = sqlx::query(UNPARK).bind(now).bind(keys).bind(PAGE);
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }
        Command::UnparkCustomer { owner, now } => unpark_customer(connection, owner, *now).await,
        Command::AssignCustomers(events) => bind(connection, events).await,
        Command::Reseal(events) => reseal(connection, events).await,
        Command::FreeShares => match store.share {
            Some(share) => shrink(connection, share).await,
            None => Ok(false),
        },
        Command::Heartbeat(alive) => note(connection, *alive).await.map(|()| true),
        Command::DeleteExpired(old) => sweep(connection, *old).await,
    }
}

async fn finish(connection: &mut SqliteConnection, end: &Finish, room: Room) -> Result<bool, sqlx::Error> {
    let Finish { claim, attempt, next } = end;
    let query = "UPDATE event SET state = ?1, due_ms = coalesce(?2, due_ms), attempts = attempts + ?3, \
                 done_ms = ?4, dead_reason = ?5, refusals = refusals + ?7, held = ?8 WHERE id = ?6 AND state = 0";
    let done = sqlx::query(query)
        .bind(next.state().code())
        .bind(next.due())
        .bind(i64::from(next.counted()))
        .bind((next.state() != State::Waiting).then(now))
        .bind(next.reason())
        .bind(claim.id)
        .bind(i64::from(attempt.failure == Some(Failure::Event)))
        .bind(i64::from(attempt.failure.is_some_and(Failure::is_the_portals)))
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 0 && !was_discarded(connection, end).await? {
        return Ok(false);
    }
    if room == Room::Full {
        return Ok(true);
    }
    let answer = attempt.answer.as_ref().filter(|_| room == Room::Ample);
    let query = "INSERT INTO attempt(event, at_ms, took_ms, status, error, answer_key, answer, class) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    sqlx::query(query)
        .bind(claim.id)
        .bind(attempt.at)
        .bind(attempt.took_ms)
        .bind(attempt.status.map(i64::from))
        .bind(&attempt.error)
        .bind(answer.map(|answer| answer.key_id))
        .bind(answer.map(|answer| answer.bytes.as_slice()))
        .bind(attempt.failure.map(Failure::name))
        .execute(connection)
        .await?;
    Ok(true)
}

/// Says whether the event was discarded while it was sent. It stays dead, and this try is recorded with it.
async fn was_discarded(connection: &mut SqliteConnection, end: &Finish) -> Result<bool, sqlx::Error> {
    let query = "SELECT EXISTS (SELECT 1 FROM event WHERE id = ?1 AND state = 2 AND dead_reason = ?2) \
                 AND NOT EXISTS (SELECT 1 FROM attempt WHERE event = ?1 AND at_ms = ?3)";
    sqlx::query_scalar(query)
        .bind(end.claim.id)
        .bind(DISCARDED)
        .bind(end.attempt.at)
        .fetch_one(connection)
        .await
}
