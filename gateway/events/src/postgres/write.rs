//! Applies batches of commands.
//!
//! Every operation is one statement, and so a transaction of its own, except inserts that settle results of the ledger: they and the
//! results change together, and so do results that another gateway has noted meanwhile. Inserts, results of attempts and notes of
//! started checks are one statement for all of a batch. An explicit transaction that a timeout
//! interrupts while it begins would leave its connection unusable, so that any error closes the connection. The server ends a
//! transaction whose gateway is silent for 15 s.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder, Row};
use tracing::warn;
use uuid::Uuid;

use super::bulk::{discard, limit_due_times, make_due, replay, unpark};
use super::database::Postgres;
use super::deletion::{delete_expired, free_shares};
use super::error::{store_error, with_timeout};
use super::insert::insert;
use super::ledger::{delete_entries, end_entry, looked_up, plan};
use super::note::note_within;
use super::ownership::{assign_customers, reseal, unpark_customer};
use super::usage::{UsageCache, admit, find_refused};
use crate::share::EntryCounts;
use crate::{Claim, Command, Effect, Failure, Finish, NewEntry, Share, StoreError, Writer, now};

/// Writes batches. Any error closes the connection; the next batch opens a new one.
#[derive(Debug)]
pub struct PostgresWriter {
    store: Postgres,
    connection: Option<PgConnection>,
    usage: UsageCache,
    entries: EntryCounts,
}

// === impl Postgres ===

impl Postgres {
    /// Returns a writer; opens nothing.
    pub fn writer(&self) -> PostgresWriter {
        PostgresWriter::new(self.clone())
    }
}

// === impl PostgresWriter ===

impl PostgresWriter {
    pub(super) fn new(store: Postgres) -> Self {
        Self { store, connection: None, usage: UsageCache::default(), entries: EntryCounts::default() }
    }
}

#[async_trait]
impl Writer for PostgresWriter {
    async fn write(&mut self, batch: &[Command]) -> Vec<Result<Effect, StoreError>> {
        let (store, connection, usage) = (&self.store, self.connection.take(), &mut self.usage);
        let entries = &mut self.entries;
        let mut effects = vec![None; batch.len()];
        // An error drops the connection, and with it the statement that failed. The statements before it are committed, so
        // their effects are returned.
        let done = with_timeout(async {
            let mut connection = store.connection(connection).await?;
            let done = async {
                let refused = find_refused(&mut connection, batch, store, usage).await?;
                commit(&mut connection, batch, &refused, (store.share, entries), &mut effects).await
            };
            done.await.map_err(|error| store_error(&error))?;
            Ok(connection)
        });
        let error = match done.await {
            Ok(connection) => {
                self.connection = Some(connection);
                StoreError::Unavailable
            }
            Err(error) => error,
        };
        effects.into_iter().map(|effect| effect.ok_or_else(|| error.clone())).collect()
    }
}

/// Applies a batch, and stores each effect as soon as it is durable.
async fn commit(
    connection: &mut PgConnection,
    batch: &[Command],
    refused: &HashSet<Uuid>,
    (share, counts): (Option<Share>, &mut EntryCounts),
    effects: &mut [Option<Effect>],
) -> Result<(), sqlx::Error> {
    // Inserts come first, because requests of Onfido wait for them.
    let planned = plan(connection, batch, refused).await?;
    let new = insert(connection, batch, &planned.plan.without_held(refused)).await?;
    let revived = planned.settle(connection).await?;
    for (command, slot) in batch.iter().zip(&mut *effects) {
        if let Command::Insert(event) = command {
            let is_refused = refused.contains(&event.uid);
            let effect = new.get(&event.uid).copied().unwrap_or(Effect::Nothing);
            let effect = if revived.contains(&event.uid) { Effect::Revived } else { effect };
            *slot = Some(if is_refused { Effect::OverShare } else { planned.plan.effect(event.uid, effect) });
        }
    }
    let recorded = finish(connection, batch).await?;
    for (command, slot) in batch.iter().zip(&mut *effects) {
        if let Command::Finish(finish) = command {
            *slot = Some(Effect::of(recorded.contains(&finish.claim)));
        }
    }
    let notes = batch.iter().zip(&mut *effects).filter_map(|(command, slot)| match command {
        Command::Note(entry) => Some((entry, slot)),
        _ => None,
    });
    let (entries, slots): (Vec<&NewEntry>, Vec<_>) = notes.unzip();
    let admitted = admit(connection, &entries, share, counts).await?;
    for (slot, effect) in slots.into_iter().zip(note_within(connection, &entries, &admitted).await?) {
        *slot = Some(effect);
    }
    for (command, slot) in batch.iter().zip(&mut *effects) {
        if slot.is_none() {
            *slot = Some(apply(connection, command, share).await?);
        }
    }
    // Last, because the batch is durable already: an error only drops the connection.
    let settled = planned.settle_noted(connection).await.inspect_err(|error| {
        let reason = store_error(error);
        warn!(%reason, "results of checks that another gateway has just noted stay open until their look-ups");
    })?;
    for (command, slot) in batch.iter().zip(effects) {
        if let Command::Insert(event) = command
            && *slot == Some(Effect::Done)
            && settled.contains(&event.uid)
        {
            *slot = Some(Effect::Settled);
        }
    }
    Ok(())
}

/// Applies a command other than inserts and results.
async fn apply(
    connection: &mut PgConnection,
    command: &Command,
    share: Option<Share>,
) -> Result<Effect, sqlx::Error> {
    Ok(match command {
        Command::Replay { filter, per_second, progress, .. } => {
            Effect::Changed(replay(connection, filter, *per_second, *progress).await?)
        }
        Command::Discard { filter, progress, .. } => {
            Effect::Changed(discard(connection, filter, *progress).await?)
        }
        Command::MakeDue { tenant, .. } => Effect::of(make_due(connection, tenant).await?),
        // `commit` applies inserts, notes and results. Times are the database's, so a jump of a gateway's clock changes nothing.
        Command::Insert(_)
        | Command::Note(_)
        | Command::Finish(_)
        | Command::ShiftTimes { .. }
        | Command::ShiftLedger { .. }
        | Command::Heartbeat(_) => Effect::Nothing,
        Command::LimitDueTimes { latest } => Effect::of(limit_due_times(connection, *latest).await?),
        Command::Unpark { keys, .. } => Effect::of(unpark(connection, keys).await?),
        Command::UnparkCustomer { owner, .. } => Effect::of(unpark_customer(connection, owner).await?),
        Command::AssignCustomers(events) => Effect::of(assign_customers(connection, events).await?),
        Command::Reseal(events) => Effect::of(reseal(connection, events).await?),
        Command::FreeShares => match share {
            Some(share) => Effect::of(free_shares(connection, share).await?),
            None => Effect::Nothing,
        },
        Command::DeleteExpired(limits) => Effect::of(delete_expired(connection, *limits).await?),
        Command::LookedUp(done) => Effect::of(looked_up(connection, done).await?),
        Command::EndEntry(end) => Effect::of(end_entry(connection, *end).await?),
        Command::DeleteEntries { before } => Effect::of(delete_entries(connection, *before).await?),
        Command::Release(claims) => Effect::of(release(connection, claims).await?),
    })
}

/// Records the results of a batch in one statement, and returns the claims whose results were recorded. A result is
/// recorded when its claim is still the latest one, or when a crash of the server has lost the claim and no later one
/// exists. The attempt of an event that was discarded meanwhile is recorded, too; the event stays dead.
async fn finish(connection: &mut PgConnection, batch: &[Command]) -> Result<HashSet<Claim>, sqlx::Error> {
    let mut recorded = HashSet::new();
    let finishes: Vec<&Finish> = batch
        .iter()
        .filter_map(|command| match command {
            Command::Finish(finish) => Some(finish),
            _ => None,
        })
        .collect();
    if finishes.is_empty() {
        return Ok(recorded);
    }
    // The database adds these differences to its own clock.
    let clock = now();
    let mut query = QueryBuilder::<Engine>::new(
        "WITH given(id, epoch, state, wait, counted, reason, ago, took, status, error, answer_key, answer, class, \
         refusals, held) AS (",
    );
    query.push_values(finishes, |mut row, finish| {
        let next = finish.next;
        let answer = finish.attempt.answer.as_ref();
        row.push_bind(finish.claim.id)
            .push_bind(finish.claim.epoch)
            .push_bind(next.state().code())
            .push_bind(next.due().map(|due| due.saturating_sub(clock)))
            .push_bind(i32::from(next.counted()))
            .push_bind(next.reason())
            .push_bind(clock.saturating_sub(finish.attempt.at))
            .push_bind(finish.attempt.took_ms)
            .push_bind(finish.attempt.status.map(i32::from))
            .push_bind(finish.attempt.error.clone())
            .push_bind(answer.map(|answer| answer.key_id))
            .push_bind(answer.map(|answer| answer.bytes.clone()))
            .push_bind(finish.attempt.failure.map(Failure::name))
            .push_bind(i32::from(finish.attempt.failure == Some(Failure::Event)))
            .push_bind(i32::from(finish.attempt.failure.is_some_and(Failure::is_portal_failure)));
    });
    query.push(
        "), ended AS (UPDATE event SET state = given.state, \
           due = CASE WHEN given.wait IS NULL THEN due ELSE now() + given.wait * interval '1 millisecond' END, \
           attempts = attempts + given.counted, refusals = event.refusals + given.refusals, held = given.held, \
           leased_until = NULL, dead_reason = given.reason, \
           done = CASE WHEN given.state = 0 THEN NULL ELSE now() END \
           FROM given WHERE event.id = given.id AND event.state = 0 AND (event.epoch = given.epoch \
             OR event.epoch < given.epoch AND (event.leased_until IS NULL OR event.leased_until < now())) \
           RETURNING event.id, given.epoch), \
         discarded AS (SELECT given.id, given.epoch FROM given JOIN event ON event.id = given.id \
           WHERE event.state = 2 AND event.dead_reason = 'discarded' AND event.epoch = given.epoch + 1), \
         recorded AS (SELECT id, epoch FROM ended UNION ALL SELECT id, epoch FROM discarded), \
         history AS (INSERT INTO attempt(event, at, took_ms, status, error, answer_key, answer, class) \
           SELECT given.id, now() - given.ago * interval '1 millisecond', given.took, given.status, given.error, \
           given.answer_key, given.answer, given.class FROM given JOIN recorded USING (id, epoch)) \
         SELECT id, epoch FROM recorded",
    );
    for row in query.build().fetch_all(connection).await? {
        recorded.insert(Claim { id: row.try_get(0)?, epoch: row.try_get(1)? });
    }
    Ok(recorded)
}

/// Ends claims, so that other gateways need not wait until the leases expire.
async fn release(connection: &mut PgConnection, claims: &[Claim]) -> Result<bool, sqlx::Error> {
    let (ids, epochs): (Vec<i64>, Vec<i64>) = claims.iter().map(|claim| (claim.id, claim.epoch)).unzip();
    let query = "UPDATE event SET leased_until = NULL FROM unnest($1::bigint[], $2::bigint[]) given(id, epoch) \
                 WHERE event.id = given.id AND event.epoch = given.epoch AND event.state = 0";
    Ok(sqlx::query(query).bind(ids).bind(epochs).execute(connection).await?.rows_affected() > 0)
}
