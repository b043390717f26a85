//! Changes of the ledger of started checks.
//!
//! A notification that settles results is the one change with several statements: its transaction locks the entries first,
//! so that two gateways that settle the last two results of a check see each other's. A connection that fails meanwhile is
//! dropped, and the transaction with it.
//!
//! A note and a notification of the same check can be written by two gateways at the same time. The note reads the events after it has
//! inserted its entry, and the notification reads the entries after it has inserted its event, so that one of them sees the other.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::filter::millis_from_now;
use super::given::Given;
use crate::{
    Awaited, Command, EntryEnd, FINAL_STATE, Held, IS_SETTLED, LedgerState, LookedUp, Millis, Plan,
    RESULT_KINDS, REVIVABLE, Source, now, settling,
};

/// What a batch does to the ledger, and whether a transaction was begun for it.
pub(super) struct Planned {
    pub(super) plan: Plan,
    given: Given,
    is_transaction: bool,
}

/// Reads the results that the events of a batch are about, and plans what becomes of them. When there are any, it begins a
/// transaction, which [`Planned::settle`] commits.
pub(super) async fn plan(
    connection: &mut PgConnection,
    batch: &[Command],
    refused: &HashSet<Uuid>,
) -> Result<Planned, sqlx::Error> {
    let events = settling(batch);
    let given = Given::of(&events);
    let mut awaited = Vec::new();
    let mut is_transaction = false;
    let entries = given.entries(connection, "").await?;
    if !entries.is_empty() {
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        is_transaction = true;
        lock(connection, &entries).await?;
        awaited = read_awaited(connection, &entries, &given.subjects).await?;
    }
    let mut notified = HashSet::new();
    for event in events.iter().filter(|event| event.source == Source::Reconciliation) {
        let query = "SELECT EXISTS (SELECT 1 FROM event WHERE resource = $1 AND kind = $2 AND tenant = $3)";
        let query = sqlx::query_scalar(query).bind(&event.resource).bind(&event.kind);
        if query.bind(&event.owner.tenant).fetch_one(&mut *connection).await? {
            notified.insert(event.uid);
        }
    }
    Ok(Planned { plan: Plan::new(batch, &awaited, refused, &notified), given, is_transaction })
}

/// Locks entries in the order that all gateways use, so that two of them cannot deadlock.
async fn lock(connection: &mut PgConnection, entries: &[i64]) -> Result<(), sqlx::Error> {
    let query = "SELECT id FROM started WHERE id = ANY($1) ORDER BY id FOR UPDATE";
    sqlx::query(query).bind(entries).fetch_all(connection).await?;
    Ok(())
}

/// Reads the results of these entries that are about `subjects`.
async fn read_awaited(
    connection: &mut PgConnection,
    entries: &[i64],
    subjects: &[String],
) -> Result<Vec<Awaited>, sqlx::Error> {
    let query = format!(
        "SELECT result.id, entry, result.subject, result.state, started.state, {}, event, tenant, subscription \
         FROM started_result AS result JOIN started ON started.id = entry WHERE entry = ANY($1) \
         AND result.subject = ANY($2)",
        millis_from_now("result.settled")
    );
    let clock = now();
    let read = |row: &PgRow| {
        let settled: Option<i64> = row.try_get(5)?;
        Ok(Awaited {
            row: row.try_get(0)?,
            entry: row.try_get(1)?,
            subject: row.try_get(2)?,
            state: LedgerState::of(row.try_get(3)?),
            is_entry_open: LedgerState::of(row.try_get(4)?) == LedgerState::Open,
            settled: settled.map(|ahead| clock + ahead),
            event: row.try_get(6)?,
            tenant: row.try_get(7)?,
            subscription: row.try_get(8)?,
        })
    };
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(query)).bind(entries).bind(subjects).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

// === impl Planned ===

impl Planned {
    /// Settles the results of the plan, and commits the transaction. A found event that is dead becomes waiting again when
    /// its notification arrives; returns the ids of those notifications.
    pub(super) async fn settle(&self, connection: &mut PgConnection) -> Result<HashSet<Uuid>, sqlx::Error> {
        let settled = &self.plan.settled;
        if !settled.is_empty() {
            let (rows, states): (Vec<i64>, Vec<i64>) =
                settled.iter().map(|one| (one.row, one.state.code())).unzip();
            let events: Vec<Uuid> = settled.iter().map(|one| one.event).collect();
            // A duplicate of a deleted event settles the result, too, and is no event of the store.
            let query = "UPDATE started_result SET state = given.state, settled = now(), \
                         event = (SELECT uid FROM event WHERE uid = given.event) \
                         FROM unnest($1::bigint[], $2::bigint[], $3::uuid[]) given(id, state, event) \
                         WHERE started_result.id = given.id";
            sqlx::query(query).bind(rows).bind(states).bind(events).execute(&mut *connection).await?;
            settle_entries(connection, &self.plan.entries().into_iter().collect::<Vec<_>>()).await?;
        }
        let mut revived = HashSet::new();
        for (uid, held) in &self.plan.held {
            if let Held::Repeats(found) = held {
                let query = format!(
                    "UPDATE event SET state = 0, attempts = 0, refusals = 0, held = 0, epoch = epoch + 1, \
                     leased_until = NULL, done = NULL, dead_reason = NULL, since = now(), due = now() \
                     WHERE uid = $1 AND {REVIVABLE}"
                );
                let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(found);
                if query.execute(&mut *connection).await?.rows_affected() > 0 {
                    revived.insert(*uid);
                }
            }
        }
        if self.is_transaction {
            sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
        }
        Ok(revived)
    }

    /// Settles what another gateway has noted since the batch was planned, in a transaction of its own. Returns the events that
    /// did.
    pub(super) async fn settle_noted(
        &self,
        connection: &mut PgConnection,
    ) -> Result<HashSet<Uuid>, sqlx::Error> {
        let entries = self.given.entries(connection, "WHERE result.state = 0").await?;
        if entries.is_empty() {
            return Ok(HashSet::new());
        }
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        let settled = settle_known(connection, &entries, &self.given.subjects).await?;
        settle_entries(connection, &entries).await?;
        sqlx::raw_sql("COMMIT").execute(connection).await?;
        Ok(settled.into_iter().map(|(_, event)| event).collect())
    }
}

/// Settles the open entries among `entries` whose results are settled. Returns their ids.
pub(super) async fn settle_entries(
    connection: &mut PgConnection,
    entries: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    let query = format!(
        "UPDATE started SET state = {FINAL_STATE}, settled = now(), error = NULL, leased_until = NULL \
         WHERE id = ANY($1) AND state = 0 AND {IS_SETTLED} RETURNING id"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(entries).fetch_all(connection).await
}

/// Locks entries, and settles those of their results that were notified already. Returns each entry with the event that did.
pub(super) async fn settle_known(
    connection: &mut PgConnection,
    entries: &[i64],
    subjects: &[String],
) -> Result<Vec<(i64, Uuid)>, sqlx::Error> {
    let query = format!(
        "WITH noted AS (SELECT id, tenant, subscription FROM started WHERE id = ANY($1) ORDER BY id FOR UPDATE), \
         known AS (SELECT noted.id, resource, min(received) AS at, (array_agg(uid ORDER BY received))[1] AS uid, \
           min(CASE kind WHEN 'check.withdrawn' THEN 3 WHEN 'report.withdrawn' THEN 3 WHEN 'report.cancelled' THEN 4 \
           ELSE 1 END) AS state FROM event JOIN noted ON event.tenant = noted.tenant \
           OR event.subscription = noted.subscription AND noted.subscription <> '' \
           WHERE resource = ANY($2) AND kind IN ({RESULT_KINDS}) GROUP BY noted.id, resource) \
         UPDATE started_result SET state = known.state, settled = known.at, event = known.uid FROM known \
         WHERE entry = known.id AND started_result.state = 0 AND subject = known.resource RETURNING known.id, known.uid"
    );
    let query = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(entries).bind(subjects);
    query.fetch_all(connection).await
}

/// Records a look-up that did not settle its entry, and ends its claim.
pub(super) async fn looked_up(connection: &mut PgConnection, done: &LookedUp) -> Result<bool, sqlx::Error> {
    // One that the results of this look-up have settled only counts it.
    let query = "UPDATE started SET lookups = lookups + $5, due = CASE state WHEN 0 THEN now() + $1 * interval '1 millisecond' \
                 ELSE due END, error = CASE state WHEN 0 THEN $2 END, missing = $3, leased_until = NULL WHERE id = $4";
    let wait = done.next.saturating_sub(now());
    let query = sqlx::query(query).bind(wait).bind(&done.error).bind(i64::from(done.missing)).bind(done.id);
    let query = query.bind(i32::from(done.is_answered));
    let done = query.execute(connection).await?;
    Ok(done.rows_affected() > 0)
}

/// Settles an open entry. One that the results of the look-up have settled counts it; returns false.
pub(super) async fn end_entry(connection: &mut PgConnection, end: EntryEnd) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar(END_ENTRY).bind(end.state.code()).bind(end.id);
    let was_open = query.bind(LedgerState::Found.code()).fetch_optional(connection).await?;
    Ok(was_open.unwrap_or(false))
}

/// Deletes a limited number of entries that were started before a time. Returns whether more may be left.
pub(super) async fn delete_entries(
    connection: &mut PgConnection,
    before: Millis,
) -> Result<bool, sqlx::Error> {
    let query = "DELETE FROM started WHERE id IN (SELECT id FROM started \
                 WHERE started < now() + $1 * interval '1 millisecond' ORDER BY started LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let query = sqlx::query(query).bind(before.saturating_sub(now())).bind(MAX_DELETED_ROWS);
    let done = query.execute(connection).await?;
    Ok(i64::try_from(done.rows_affected()).is_ok_and(|rows| rows >= MAX_DELETED_ROWS))
}

/// Rows that one statement deletes at most, so that it holds its locks only for a short time.
const MAX_DELETED_ROWS: i64 = 250;
/// The entry is locked before its result, as everywhere. A check that was found has its own result, too, of which its tenant may take
/// no notification.
const END_ENTRY: &str = "WITH entry AS (SELECT id, state = 0 AS was_open FROM started \
       WHERE id = $2 AND (state <> 0 OR $1::bigint <> 0) FOR UPDATE), \
     ended AS (UPDATE started SET lookups = lookups + 1, state = CASE WHEN was_open THEN $1 ELSE state END, \
       settled = CASE WHEN was_open THEN now() ELSE settled END, error = CASE WHEN was_open THEN NULL ELSE error END, \
       leased_until = CASE WHEN was_open THEN NULL ELSE leased_until END \
       FROM entry WHERE started.id = entry.id RETURNING started.id, was_open), \
     result AS (UPDATE started_result SET state = $1, settled = now() FROM ended \
       WHERE entry = ended.id AND is_report = 0 AND started_result.state = 0 AND $1 = $3) \
     SELECT was_open FROM ended";
