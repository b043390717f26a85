//! Applies batches of commands: one connection, and one transaction per batch.
//!
//! Each commit waits for the disk. A batch shares that wait among all commands that arrived during the previous one.

use std::collections::{HashMap, HashSet, VecDeque};

use async_trait::async_trait;
use kyc_resilience::failpoint;
use sqlx::sqlite::SqliteConnection;

use super::bulk::{LIMIT_DUE_TIMES, MAKE_DUE, UNPARK, discard, replay};
use super::deletion::{delete_expired, free_shares};
use super::error::store_error;
use super::file::Sqlite;
use super::heartbeat::record_heartbeat;
use super::insert::insert;
use super::ledger::{delete_entries, end_entry, looked_up, plan, settle};
use super::note::{NoteShare, note_within, notes_from};
use super::ownership::{assign_customers, reseal, unpark_customer};
use super::shift_times::{newest_row, shift_ledger, shift_times};
use super::space::{Space, begin, reclaim_space};
use super::usage::{find_refused, share_now};
use crate::share::{EntryCounts, Share};
use crate::{Command, DISCARDED, Effect, Failure, Finish, PAGE, Plan, State, StoreError, Writer, now};

/// Commits batches. Any error closes the connection, because a connection that has failed within a transaction may stay
/// unusable; the next batch opens a new one.
#[derive(Debug)]
pub struct SqliteWriter {
    store: Sqlite,
    connection: Option<SqliteConnection>,
    entries: EntryCounts,
}

// === impl Sqlite ===

impl Sqlite {
    /// Returns a writer; opens nothing.
    pub fn writer(&self) -> SqliteWriter {
        SqliteWriter::new(self.clone())
    }
}

// === impl SqliteWriter ===

impl SqliteWriter {
    pub(super) fn new(store: Sqlite) -> Self {
        Self { store, connection: None, entries: EntryCounts::default() }
    }

    /// Commits all commands of a batch, or none of them.
    async fn write_all(&mut self, batch: &[Command]) -> Result<Vec<Effect>, StoreError> {
        let mut connection = match self.connection.take() {
            Some(kept) => kept,
            None => self.store.writer_connection().await?,
        };
        match commit(&mut connection, batch, &self.store, &mut self.entries).await {
            Ok(effects) => {
                self.connection = Some(connection);
                Ok(effects)
            }
            Err(error) => {
                self.entries = EntryCounts::default();
                // Dropping the connection rolls back, too; `ROLLBACK` releases the write lock immediately.
                let _ = sqlx::raw_sql("ROLLBACK").execute(&mut connection).await;
                let error = store_error(&error);
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

/// Applies a batch in one transaction: all new events first, then the other commands in order.
async fn commit(
    connection: &mut SqliteConnection,
    batch: &[Command],
    store: &Sqlite,
    counts: &mut EntryCounts,
) -> Result<Vec<Effect>, sqlx::Error> {
    let (used, mut last_entry) = begin(connection).await?;
    let (space, used) = reclaim_space(connection, store, batch.len(), used).await?;
    // A full store or log refuses new events only; the other commands are applied.
    let is_log_full = store.is_wal_full();
    let is_full = space == Space::Full || is_log_full;
    let refused = if is_full { HashSet::new() } else { find_refused(connection, batch, store, used).await? };
    // Read before the insert, so that a shift of times leaves out the batch's own events.
    let newest = newest_row(connection, batch).await?;
    let plan = if is_full { Plan::default() } else { plan(connection, batch, &refused).await? };
    let held = plan.without_held(&refused);
    let new = if is_full { HashMap::new() } else { insert(connection, batch, &held).await? };
    let revived = settle(connection, &plan).await?;
    let mut effects = Vec::with_capacity(batch.len());
    let mut noted = VecDeque::new();
    for (place, command) in batch.iter().enumerate() {
        effects.push(match command {
            Command::Insert(_) if is_log_full => Effect::LogFull,
            Command::Insert(_) if is_full => Effect::Full,
            Command::Insert(event) if refused.contains(&event.uid) => Effect::OverShare,
            Command::Insert(event) if revived.contains(&event.uid) => Effect::Revived,
            Command::Insert(event) => {
                let effect = new.get(&event.uid).copied().unwrap_or(Effect::Nothing);
                plan.effect(event.uid, effect)
            }
            Command::Note(_) if is_log_full => Effect::LogFull,
            Command::Note(_) if is_full => Effect::Full,
            Command::Note(_) => {
                if noted.is_empty() {
                    let share = share_now(connection, store, used).await?;
                    let share = NoteShare { counts, limit: share.map(Share::max_entries) };
                    let notes = notes_from(batch, place);
                    noted.extend(note_within(connection, &notes, share, &mut last_entry).await?);
                }
                noted.pop_front().unwrap_or(Effect::Nothing)
            }
            Command::Replay { filter, now, per_second, progress } => {
                Effect::Changed(replay(connection, filter, *now, *per_second, *progress).await?)
            }
            Command::Discard { filter, now, progress } => {
                Effect::Changed(discard(connection, filter, *now, *progress).await?)
            }
            Command::ShiftTimes { by, now, progress } => {
                Effect::Changed(shift_times(connection, *by, *now, *progress, newest).await?)
            }
            Command::ShiftLedger { by, now, progress } => {
                Effect::Changed(shift_ledger(connection, *by, *now, *progress).await?)
            }
            Command::FreeShares => {
                let share = share_now(connection, store, used).await?;
                Effect::of(free_shares(connection, store.share, share).await?)
            }
            other => Effect::of(apply(connection, other, space).await?),
        });
    }
    failpoint!("inserted");
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(effects)
}

/// Applies a command that `commit` does not apply itself. Returns whether it changed anything.
async fn apply(
    connection: &mut SqliteConnection,
    command: &Command,
    space: Space,
) -> Result<bool, sqlx::Error> {
    match command {
        // `commit` has applied the others; there is nothing to release, because claims of a file exist only in memory.
        Command::Insert(_)
        | Command::Note(_)
        | Command::Replay { .. }
        | Command::Discard { .. }
        | Command::ShiftTimes { .. }
        | Command::ShiftLedger { .. }
        | Command::FreeShares
        | Command::Release(_) => Ok(false),
        Command::Finish(result) => finish(connection, result, space).await,
        Command::MakeDue { tenant, now } => {
            let query = sqlx::query(MAKE_DUE).bind(now).bind(tenant).bind(PAGE);
            let done = query.execute(connection).await?;
            Ok(done.rows_affected() > 0)
        }
        Command::LimitDueTimes { latest } => Ok(sqlx::query(LIMIT_DUE_TIMES)
            .bind(latest)
            .bind(PAGE)
            .execute(connection)
            .await?
            .rows_affected()
            > 0),
        Command::Unpark { keys, now } => {
            let keys = serde_json::json!(keys).to_string();
            let query = sqlx::query(UNPARK).bind(now).bind(keys).bind(PAGE);
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }
        Command::UnparkCustomer { owner, now } => unpark_customer(connection, owner, *now).await,
        Command::AssignCustomers(events) => assign_customers(connection, events).await,
        Command::Reseal(events) => reseal(connection, events).await,
        Command::Heartbeat(heartbeat) => record_heartbeat(connection, *heartbeat).await.map(|()| true),
        Command::DeleteExpired(limits) => delete_expired(connection, *limits).await,
        Command::LookedUp(done) => looked_up(connection, done).await,
        Command::EndEntry(end) => end_entry(connection, *end).await,
        Command::DeleteEntries { before } => delete_entries(connection, *before).await,
    }
}

/// Records the result of an attempt. Returns false when the event had ended already.
async fn finish(
    connection: &mut SqliteConnection,
    result: &Finish,
    space: Space,
) -> Result<bool, sqlx::Error> {
    let Finish { claim, attempt, next } = result;
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
        .bind(i64::from(attempt.failure.is_some_and(Failure::is_portal_failure)))
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 0 && !was_discarded(connection, result).await? {
        return Ok(false);
    }
    // A full store records only the new state of the event, which keeps it from being delivered again.
    if space == Space::Full {
        return Ok(true);
    }
    // Answers are the largest part of the history.
    let answer = attempt.answer.as_ref().filter(|_| space == Space::Ample);
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

/// Returns whether an operator discarded the event during this attempt, and the attempt is not recorded yet. The event
/// stays dead, and the attempt is added to its history. A result that is sent again adds nothing.
async fn was_discarded(connection: &mut SqliteConnection, result: &Finish) -> Result<bool, sqlx::Error> {
    let query = "SELECT EXISTS (SELECT 1 FROM event WHERE id = ?1 AND state = 2 AND dead_reason = ?2) \
                 AND NOT EXISTS (SELECT 1 FROM attempt WHERE event = ?1 AND at_ms = ?3)";
    sqlx::query_scalar(query)
        .bind(result.claim.id)
        .bind(DISCARDED)
        .bind(result.attempt.at)
        .fetch_one(connection)
        .await
}
