//! Inserts entries of the ledger, all those of a batch at once.
//!
//! Each statement goes to the thread of its connection and back, which costs more than what it does for one entry. So the entries of
//! a batch and their results are inserted by one text of four statements. SQLx compiles a text once and keeps it: there is one for
//! each power of two of rows, and the rows that are too many are null.

use std::collections::HashSet;

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Row, Sqlite as Engine};

use super::ledger::settle_entries;
use crate::share::{EntryCounts, effects_of_all};
use crate::{Command, Effect, NewEntry, RESULT_KINDS, now};

/// An entry with its id, or one of its results.
type Inserted<'a> = (i64, &'a NewEntry);
type InsertedResult<'a> = (i64, &'a str, i64);

/// Returns the entries of a batch from the command at `place` on. Those after a shift of times belong to the new time.
pub(super) fn notes_from(batch: &[Command], place: usize) -> Vec<&NewEntry> {
    batch
        .iter()
        .skip(place)
        .take_while(|command| !matches!(command, Command::ShiftLedger { .. }))
        .filter_map(|command| match command {
            Command::Note(entry) => Some(entry),
            _ => None,
        })
        .collect()
}

/// The limit of each tenant's entries, and how many it has.
pub(super) struct NoteShare<'a> {
    pub(super) counts: &'a mut EntryCounts,
    /// `None`: there is no limit.
    pub(super) limit: Option<i64>,
}

/// Inserts entries as [`note`] does, except those of tenants that have as many as they may have.
pub(super) async fn note_within(
    connection: &mut SqliteConnection,
    entries: &[&NewEntry],
    NoteShare { counts, limit }: NoteShare<'_>,
    last: &mut i64,
) -> Result<Vec<Effect>, sqlx::Error> {
    let Some(limit) = limit else { return note(connection, entries, last).await };
    if counts.is_old() {
        let rows =
            sqlx::query_as("SELECT tenant, entries FROM started_use").fetch_all(&mut *connection).await?;
        counts.renew(rows.into_iter().collect());
    }
    let admitted: Vec<bool> = entries.iter().map(|entry| counts.admit(entry, limit)).collect();
    let within = entries.iter().zip(&admitted).filter(|(_, is_admitted)| **is_admitted);
    let within: Vec<&NewEntry> = within.map(|(entry, _)| *entry).collect();
    let effects = note(connection, &within, last).await?;
    let over = entries.iter().zip(&admitted).filter(|(_, is_admitted)| !**is_admitted);
    let noted = noted(connection, over.map(|(entry, _)| entry.subject.as_str())).await?;
    Ok(effects_of_all(entries, &admitted, effects, &noted))
}

/// Returns the subjects and tenants of the entries with these subjects. A note that is repeated is not over the limit.
async fn noted(
    connection: &mut SqliteConnection,
    subjects: impl Iterator<Item = &str>,
) -> Result<HashSet<(String, String)>, sqlx::Error> {
    let subjects: Vec<&str> = subjects.collect();
    if subjects.is_empty() {
        return Ok(HashSet::new());
    }
    let query = "SELECT result.subject, noted.tenant FROM (SELECT DISTINCT value FROM json_each(?1)) AS given \
                 CROSS JOIN started_result AS result ON result.subject = given.value AND result.is_report = 0 \
                 CROSS JOIN started AS noted ON noted.id = result.entry";
    let query = sqlx::query_as(query).bind(serde_json::json!(subjects).to_string());
    Ok(query.fetch_all(connection).await?.into_iter().collect())
}

/// Inserts entries with their results, and settles those that were notified before. An entry that was noted before stays as
/// it is. Returns the effect of each. `last` is the highest id of an entry so far.
async fn note(
    connection: &mut SqliteConnection,
    entries: &[&NewEntry],
    last: &mut i64,
) -> Result<Vec<Effect>, sqlx::Error> {
    let mut effects = Vec::with_capacity(entries.len());
    for entries in entries.chunks(MAX_ENTRIES) {
        effects.extend(insert(connection, entries, *last).await?);
        *last += i64::try_from(entries.len()).unwrap_or(0);
    }
    Ok(effects)
}

async fn insert(
    connection: &mut SqliteConnection,
    entries: &[&NewEntry],
    last: i64,
) -> Result<Vec<Effect>, sqlx::Error> {
    // One that a batch has twice is inserted once.
    let mut subjects = HashSet::with_capacity(entries.len());
    let rows: Vec<Inserted<'_>> = number(entries, last)
        .filter(|&(_, entry)| subjects.insert((entry.subject.as_str(), entry.owner.tenant.as_str())))
        .collect();
    let results: Vec<InsertedResult<'_>> = rows.iter().copied().flat_map(results).collect();
    let row = statements(&rows, &results, last).build().fetch_one(&mut *connection).await?;
    let inserted: String = row.try_get(0)?;
    let inserted: HashSet<i64> =
        serde_json::from_str(&inserted).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let is_any_known: bool = row.try_get(1)?;
    let settled = if is_any_known { settle_known(connection, last).await? } else { HashSet::new() };
    let effect = |id: i64| match (inserted.contains(&id), settled.contains(&id)) {
        (true, true) => Effect::Settled,
        (true, false) => Effect::Done,
        (false, _) => Effect::Nothing,
    };
    Ok(number(entries, last).map(|(id, _)| effect(id)).collect())
}

/// Gives the entries their ids, as far as they are inserted.
fn number<'a>(entries: &[&'a NewEntry], last: i64) -> impl Iterator<Item = Inserted<'a>> {
    (last + 1..).zip(entries.iter().copied())
}

/// Returns the results that an entry waits for: its own, and those of its reports, each once.
fn results((id, entry): Inserted<'_>) -> impl Iterator<Item = InsertedResult<'_>> {
    let reports = entry.reports.iter().enumerate();
    let once =
        reports.filter(|(place, report)| !entry.reports.iter().take(*place).any(|other| other == *report));
    let reports = once.map(move |(_, report)| (id, report.as_str(), 1));
    std::iter::once((id, entry.subject.as_str(), 0)).chain(reports)
}

/// The statements that insert these rows. They return one row: the ids of the inserted entries as a JSON array, and whether one of
/// their results may have been notified already.
///
/// Only this connection writes, and it has begun to: no other entry can come between the look for an entry and its insertion. For the
/// same reason the counts of `started_use` are right while two processes write to the file, as during a handover: `last` was read in
/// this transaction, so that each process counts its own insertions only; deletions are counted by a trigger.
fn statements(rows: &[Inserted<'_>], results: &[InsertedResult<'_>], last: i64) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new(
        "INSERT INTO started(id, tenant, subscription, webhook, kind, subject, applicant, state, started_ms, overdue_ms, due_ms, \
         settled_ms, trace, awaits_itself) SELECT column1, column2, column3, column4, column5, column6, column7, column8, \
         column9, column10, column10, CASE WHEN column8 <> 0 THEN column9 END, column11, column12 FROM (",
    );
    query.push_values(padded(rows), |mut row, one| {
        let (id, entry) = (one.map(|(id, _)| id), one.map(|(_, entry)| entry));
        let customer = entry.and_then(|entry| entry.owner.customer.as_ref());
        let subscription = customer.map(|customer| customer.subscription.as_str()).unwrap_or_default();
        row.push_bind(id)
            .push_bind(entry.map(|entry| entry.owner.tenant.as_str()))
            .push_bind(subscription)
            .push_bind(customer.and_then(|customer| customer.webhook.as_deref()))
            .push_bind(entry.map(|entry| entry.kind.code()))
            .push_bind(entry.map(|entry| entry.subject.as_str()))
            .push_bind(entry.and_then(|entry| entry.applicant.as_deref()))
            .push_bind(entry.map(|entry| entry.state.code()))
            .push_bind(entry.map(|entry| entry.started))
            .push_bind(entry.map(|entry| entry.overdue))
            .push_bind(entry.map(|entry| entry.trace.as_str()))
            .push_bind(entry.map(|entry| entry.awaits_itself));
    });
    query.push(
        ") WHERE column1 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM started_result AS result CROSS JOIN started AS noted \
           ON noted.id = result.entry WHERE result.subject = column6 AND result.is_report = 0 AND noted.tenant = column2); \
         INSERT INTO started_result(entry, subject, is_report) SELECT column1, column2, column3 FROM (",
    );
    query.push_values(padded(results), |mut row, one| {
        row.push_bind(one.map(|(id, ..)| id))
            .push_bind(one.map(|(_, subject, _)| subject))
            .push_bind(one.map(|(.., is_report)| is_report));
    });
    query.push(") WHERE EXISTS (SELECT 1 FROM started WHERE id = column1); ");
    query.push("INSERT INTO started_use SELECT tenant, count(*) FROM started WHERE id > ").push_bind(last);
    query.push(" GROUP BY tenant ON CONFLICT (tenant) DO UPDATE SET entries = entries + excluded.entries; ");
    query.push("SELECT (SELECT json_group_array(id) FROM started WHERE id > ").push_bind(last);
    query.push(
        "), EXISTS (SELECT 1 FROM started_result AS result CROSS JOIN event AS known ON known.resource = result.subject \
         WHERE result.entry > ",
    );
    query.push_bind(last).push(" AND known.kind IN (").push(RESULT_KINDS).push("))");
    query
}

/// Adds nulls up to a power of two of rows.
fn padded<T: Copy>(rows: &[T]) -> impl Iterator<Item = Option<T>> {
    let missing = rows.len().next_power_of_two() - rows.len();
    rows.iter().copied().map(Some).chain(std::iter::repeat_n(None, missing))
}

/// Settles the results of the entries after `last` that were notified already. Returns the entries that this settles.
async fn settle_known(connection: &mut SqliteConnection, last: i64) -> Result<HashSet<i64>, sqlx::Error> {
    let query = format!(
        "UPDATE started_result SET state = known.state, settled_ms = known.at, event = known.uid FROM ( \
           SELECT result.id, min(CASE event.kind WHEN 'check.withdrawn' THEN 3 WHEN 'report.withdrawn' THEN 3 \
             WHEN 'report.cancelled' THEN 4 ELSE 1 END) AS state, min(received_ms) AS at, min(uid) AS uid \
           FROM started_result AS result INDEXED BY started_result_entry CROSS JOIN started ON started.id = result.entry \
           CROSS JOIN event ON event.resource = result.subject AND event.kind IN ({RESULT_KINDS}) \
             AND (event.tenant = started.tenant \
               OR event.subscription = started.subscription AND started.subscription <> '') \
           WHERE result.entry > ?1 GROUP BY result.id) AS known \
         WHERE started_result.id = known.id RETURNING entry"
    );
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(last);
    let entries: Vec<i64> = query.fetch_all(&mut *connection).await?;
    let settled = settle_entries(connection, entries.into_iter().collect(), now()).await?;
    Ok(settled.into_iter().collect())
}

/// Entries that one text inserts at most. With all their reports they have fewer values than SQLite can bind.
const MAX_ENTRIES: usize = 64;
