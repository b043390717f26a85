//! The writing side: every operation is one statement, since a transaction that is broken off while it begins
//! leaves its connection unusable.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder, Row};
use uuid::Uuid;

use super::filter::{push_filter, push_time};
use super::listen::CHANNEL;
use super::{Postgres, engine, in_time};
use crate::store::{Change, Effect, Filter, Finish, Millis, NewEvent, Next, State, StoreError, Writer, now};

/// Writes batches; any error closes the connection, and the next batch opens another.
#[derive(Debug)]
pub(crate) struct PostgresWriter {
    store: Postgres,
    connection: Option<PgConnection>,
}

// === impl PostgresWriter ===

impl PostgresWriter {
    pub(super) fn new(store: Postgres) -> Self {
        Self { store, connection: None }
    }
}

#[async_trait]
impl Writer for PostgresWriter {
    async fn write(&mut self, batch: &[Change]) -> Result<Vec<Effect>, StoreError> {
        let (store, connection) = (&self.store, self.connection.take());
        // An error drops the connection with all that it has begun.
        let (connection, effects) = in_time(async {
            let mut connection = store.connection(connection).await?;
            let effects = commit(&mut connection, batch).await.map_err(|error| engine(&error))?;
            Ok((connection, effects))
        })
        .await?;
        self.connection = Some(connection);
        Ok(effects)
    }
}

async fn commit(connection: &mut PgConnection, batch: &[Change]) -> Result<Vec<Effect>, sqlx::Error> {
    let new = insert(connection, batch).await?;
    let ended = finish(connection, batch).await?;
    let mut effects = Vec::with_capacity(batch.len());
    for change in batch {
        effects.push(match change {
            Change::Insert(event) => effect(new.contains(&event.uid)),
            Change::Finish(finish) => effect(ended.contains(&(finish.id, finish.epoch))),
            Change::Replay { filter, step, .. } => Effect::Changed(replay(connection, filter, *step).await?),
            Change::Discard { filter, .. } => Effect::Changed(discard(connection, filter).await?),
            Change::PullForward { tenant, .. } => {
                let query = "UPDATE event SET due = now() WHERE state = 0 AND tenant = $1 AND due > now()";
                let done = sqlx::query(query).bind(tenant).execute(&mut *connection).await?;
                effect(done.rows_affected() > 0)
            }
            // The database's clock alone counts here, and the clocks of gateways may jump as they like.
            Change::Shift { .. } => Effect::Nothing,
            Change::Clamp { latest } => effect(clamp(connection, *latest).await?),
            Change::Sweep { keys, delivered } => effect(sweep(connection, *keys, *delivered).await?),
        });
    }
    Ok(effects)
}

/// Inserts all events of a batch, and says which of them are new.
async fn insert(connection: &mut PgConnection, batch: &[Change]) -> Result<HashSet<Uuid>, sqlx::Error> {
    let mut new = HashSet::new();
    let mut events: Vec<&NewEvent> = batch
        .iter()
        .filter_map(|change| match change {
            Change::Insert(event) => Some(event),
            _ => None,
        })
        .collect();
    if events.is_empty() {
        return Ok(new);
    }
    // In one order everywhere, so that two gateways with the same events wait for each other only one way.
    events.sort_by(|a, b| a.dedup.cmp(&b.dedup));
    let mut query = QueryBuilder::<Engine>::new(
        "WITH stored AS (INSERT INTO event(uid, tenant, dedup, kind, resource, key_id, body, state, due, received, \
         since, done, dead_reason, trace) ",
    );
    query.push_values(events, |mut row, event| {
        let state = if event.dead.is_some() { State::Dead } else { State::Waiting };
        row.push_bind(event.uid)
            .push_bind(&event.tenant)
            .push_bind(&event.dedup)
            .push_bind(&event.kind)
            .push_bind(&event.resource)
            .push_bind(event.body.key_id)
            .push_bind(&event.body.bytes)
            .push_bind(state.code())
            .push("now()")
            .push("now()")
            .push("now()")
            .push(if event.dead.is_some() { "now()" } else { "NULL::timestamptz" })
            .push_bind(event.dead.map(|reason| reason.name()))
            .push_bind(&event.trace);
    });
    query.push(" ON CONFLICT DO NOTHING RETURNING uid), told AS (SELECT pg_notify('");
    query.push(CHANNEL).push("', '') FROM (SELECT 1 FROM stored LIMIT 1) any_new) ");
    query.push("SELECT uid FROM stored LEFT JOIN told ON true");
    for row in query.build().fetch_all(connection).await? {
        new.insert(row.try_get(0)?);
    }
    Ok(new)
}

/// Ends all tries of a batch, and says which of them still held their claim.
async fn finish(connection: &mut PgConnection, batch: &[Change]) -> Result<HashSet<(i64, i64)>, sqlx::Error> {
    let mut ended = HashSet::new();
    let finishes: Vec<&Finish> = batch
        .iter()
        .filter_map(|change| match change {
            Change::Finish(finish) => Some(finish),
            _ => None,
        })
        .collect();
    if finishes.is_empty() {
        return Ok(ended);
    }
    let clock = now();
    let mut query = QueryBuilder::<Engine>::new(
        "WITH given(id, epoch, state, wait, counted, reason, ago, took, status, error) AS (",
    );
    query.push_values(finishes, |mut row, finish| {
        let (state, wait, counted, reason) = match finish.next {
            Next::Delivered => (State::Delivered, None, true, None),
            Next::Waiting { due, counted } => {
                (State::Waiting, Some(due.saturating_sub(clock)), counted, None)
            }
            Next::Dead(reason) => (State::Dead, None, true, Some(reason.name())),
        };
        row.push_bind(finish.id)
            .push_bind(finish.epoch)
            .push_bind(state.code())
            .push_bind(wait)
            .push_bind(i32::from(counted))
            .push_bind(reason)
            .push_bind(clock.saturating_sub(finish.attempt.at))
            .push_bind(finish.attempt.took_ms)
            .push_bind(finish.attempt.status.map(i32::from))
            .push_bind(finish.attempt.error.clone());
    });
    query.push(
        "), ended AS (UPDATE event SET state = given.state, \
           due = CASE WHEN given.wait IS NULL THEN due ELSE now() + given.wait * interval '1 millisecond' END, \
           attempts = attempts + given.counted, leased_until = NULL, dead_reason = given.reason, \
           done = CASE WHEN given.state = 0 THEN NULL ELSE now() END \
           FROM given WHERE event.id = given.id AND event.epoch = given.epoch AND event.state = 0 \
           RETURNING event.id, event.epoch), \
         noted AS (INSERT INTO attempt(event, at, took_ms, status, error) \
           SELECT given.id, now() - given.ago * interval '1 millisecond', given.took, given.status, given.error \
           FROM given JOIN ended USING (id, epoch)) \
         SELECT id, epoch FROM ended",
    );
    for row in query.build().fetch_all(connection).await? {
        ended.insert((row.try_get(0)?, row.try_get(1)?));
    }
    Ok(ended)
}

async fn replay(connection: &mut PgConnection, filter: &Filter, step: Millis) -> Result<u64, sqlx::Error> {
    let mut query = QueryBuilder::<Engine>::new(
        "WITH chosen AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM event WHERE ",
    );
    push_filter(&mut query, filter);
    query.push(
        ") UPDATE event SET state = 0, attempts = 0, epoch = epoch + 1, leased_until = NULL, done = NULL, \
         dead_reason = NULL, since = now(), due = now() + place * ",
    );
    query.push_bind(step).push(" * interval '1 millisecond' FROM chosen WHERE event.id = chosen.id");
    Ok(query.build().execute(connection).await?.rows_affected())
}

async fn discard(connection: &mut PgConnection, filter: &Filter) -> Result<u64, sqlx::Error> {
    let mut query = QueryBuilder::<Engine>::new(
        "UPDATE event SET state = 2, epoch = epoch + 1, dead_reason = 'discarded', done = now() \
         WHERE state = 0 AND ",
    );
    push_filter(&mut query, filter);
    Ok(query.build().execute(connection).await?.rows_affected())
}

/// The database may have gone over to another machine, whose clock is behind.
async fn clamp(connection: &mut PgConnection, latest: Millis) -> Result<bool, sqlx::Error> {
    let ahead = latest.saturating_sub(now());
    let query = "UPDATE event SET due = now() + $1 * interval '1 millisecond' \
                 WHERE state = 0 AND due > now() + $1 * interval '1 millisecond'";
    Ok(sqlx::query(query).bind(ahead).execute(connection).await?.rows_affected() > 0)
}

async fn sweep(connection: &mut PgConnection, keys: Millis, delivered: Millis) -> Result<bool, sqlx::Error> {
    let mut query = QueryBuilder::<Engine>::new(
        "WITH forgotten AS (UPDATE event SET dedup = NULL WHERE id IN (SELECT id FROM event WHERE dedup IS NOT NULL \
         AND received < ",
    );
    push_time(&mut query, keys);
    query.push(
        " LIMIT 1000 FOR UPDATE SKIP LOCKED)) DELETE FROM event WHERE id IN (SELECT id FROM event WHERE state = 1 AND done < ",
    );
    push_time(&mut query, delivered);
    query.push(" LIMIT 1000 FOR UPDATE SKIP LOCKED)");
    Ok(query.build().execute(connection).await?.rows_affected() >= 1000)
}

fn effect(done: bool) -> Effect {
    if done { Effect::Done } else { Effect::Nothing }
}
