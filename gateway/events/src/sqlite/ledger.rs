//! Changes of the ledger of started checks.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use crate::{
    Awaited, Command, EntryEnd, FINAL_STATE, Held, IS_SETTLED, LedgerState, LookedUp, Millis, Plan,
    REVIVABLE, Source, now, settling,
};

/// Reads the results that the events of a batch are about, and plans what becomes of them.
pub(super) async fn plan(
    connection: &mut SqliteConnection,
    batch: &[Command],
    refused: &HashSet<Uuid>,
) -> Result<Plan, sqlx::Error> {
    let events = settling(batch);
    if events.is_empty() {
        return Ok(Plan::default());
    }
    let subjects: Vec<&str> = events.iter().filter_map(|event| event.resource.as_deref()).collect();
    let query = "SELECT result.id, entry, result.subject, result.state, started.state, result.settled_ms, event, tenant, \
                 subscription FROM (SELECT DISTINCT value FROM json_each(?1)) AS given \
                 CROSS JOIN started_result AS result ON result.subject = given.value JOIN started ON started.id = entry";
    let subjects = serde_json::json!(subjects).to_string();
    let rows = sqlx::query(query).bind(subjects).fetch_all(&mut *connection).await?;
    let awaited: Vec<Awaited> = rows.iter().map(read_awaited).collect::<Result<_, _>>()?;
    let mut notified = HashSet::new();
    for event in events.iter().filter(|event| event.source == Source::Reconciliation) {
        let query = "SELECT EXISTS (SELECT 1 FROM event WHERE resource = ?1 AND kind = ?2 AND tenant = ?3)";
        let query = sqlx::query_scalar(query).bind(&event.resource).bind(&event.kind);
        if query.bind(&event.owner.tenant).fetch_one(&mut *connection).await? {
            notified.insert(event.uid);
        }
    }
    Ok(Plan::new(batch, &awaited, refused, &notified))
}

fn read_awaited(row: &SqliteRow) -> Result<Awaited, sqlx::Error> {
    let is_open: i64 = row.try_get(4)?;
    let event: Option<Vec<u8>> = row.try_get(6)?;
    Ok(Awaited {
        row: row.try_get(0)?,
        entry: row.try_get(1)?,
        subject: row.try_get(2)?,
        state: LedgerState::of(row.try_get(3)?),
        is_entry_open: LedgerState::of(is_open) == LedgerState::Open,
        settled: row.try_get(5)?,
        event: event.and_then(|event| Uuid::try_from(event).ok()),
        tenant: row.try_get(7)?,
        subscription: row.try_get(8)?,
    })
}

/// Settles the results of a plan. A found event that is dead becomes waiting again when its notification arrives; returns
/// the ids of those notifications.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    plan: &Plan,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    for one in &plan.settled {
        // A duplicate of a deleted event settles the result, too, and is no event of the store.
        let query = "UPDATE started_result SET state = ?1, settled_ms = ?2, event = (SELECT uid FROM event WHERE uid = ?3) \
                     WHERE id = ?4";
        sqlx::query(query)
            .bind(one.state.code())
            .bind(one.at)
            .bind(one.event.as_bytes().to_vec())
            .bind(one.row)
            .execute(&mut *connection)
            .await?;
    }
    settle_entries(connection, plan.entries(), now()).await?;
    let mut revived = HashSet::new();
    for (uid, held) in &plan.held {
        if let Held::Repeats(found) = held {
            let query = format!(
                "UPDATE event SET state = 0, attempts = 0, refusals = 0, held = 0, done_ms = NULL, dead_reason = NULL, \
                 since_ms = ?1, due_ms = ?1 WHERE uid = ?2 AND {REVIVABLE}"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(now()).bind(found.as_bytes().to_vec());
            if query.execute(&mut *connection).await?.rows_affected() > 0 {
                revived.insert(*uid);
            }
        }
    }
    Ok(revived)
}

/// Settles the open entries among `entries` whose results are settled. Returns their ids.
pub(super) async fn settle_entries(
    connection: &mut SqliteConnection,
    entries: HashSet<i64>,
    at: Millis,
) -> Result<Vec<i64>, sqlx::Error> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let query = format!(
        "UPDATE started SET state = {FINAL_STATE}, settled_ms = ?1, error = NULL \
         WHERE id IN (SELECT value FROM json_each(?2)) AND state = 0 AND {IS_SETTLED} RETURNING id"
    );
    let entries = serde_json::json!(entries).to_string();
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(at).bind(entries).fetch_all(connection).await
}

/// Records a look-up that did not settle its entry.
pub(super) async fn looked_up(
    connection: &mut SqliteConnection,
    done: &LookedUp,
) -> Result<bool, sqlx::Error> {
    // One that the results of this look-up have settled only counts it.
    let query = "UPDATE started SET lookups = lookups + ?5, due_ms = CASE state WHEN 0 THEN ?1 ELSE due_ms END, \
                 error = CASE state WHEN 0 THEN ?2 END, missing = ?3 WHERE id = ?4";
    let query = sqlx::query(query).bind(done.next).bind(&done.error).bind(done.missing).bind(done.id);
    let query = query.bind(i64::from(done.is_answered));
    let done = query.execute(connection).await?;
    Ok(done.rows_affected() > 0)
}

/// Settles an open entry. One that the results of the look-up have settled counts it; returns false.
pub(super) async fn end_entry(connection: &mut SqliteConnection, end: EntryEnd) -> Result<bool, sqlx::Error> {
    let query = "UPDATE started SET state = ?1, settled_ms = ?2, lookups = lookups + 1, error = NULL \
                 WHERE id = ?3 AND state = 0 AND ?1 <> 0";
    let query = sqlx::query(query).bind(end.state.code()).bind(end.now).bind(end.id);
    let is_ended = query.execute(&mut *connection).await?.rows_affected() > 0;
    if end.state == LedgerState::Found {
        // Its tenant takes only the reports.
        let query = "UPDATE started_result SET state = ?1, settled_ms = ?2 WHERE entry = ?3 AND is_report = 0 AND state = 0";
        let query = sqlx::query(query).bind(end.state.code()).bind(end.now).bind(end.id);
        query.execute(&mut *connection).await?;
    }
    if !is_ended {
        let query = "UPDATE started SET lookups = lookups + 1 WHERE id = ?1 AND state <> 0";
        sqlx::query(query).bind(end.id).execute(connection).await?;
    }
    Ok(is_ended)
}

/// Deletes a limited number of entries that were started before a time. Returns whether more may be left.
pub(super) async fn delete_entries(
    connection: &mut SqliteConnection,
    before: Millis,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(DELETE_ENTRIES).bind(before).bind(MAX_DELETED_ROWS).execute(connection).await?;
    Ok(i64::try_from(done.rows_affected()).is_ok_and(|rows| rows >= MAX_DELETED_ROWS))
}

pub(super) const DELETE_ENTRIES: &str = "DELETE FROM started WHERE id IN (SELECT id FROM started WHERE started_ms < ?1 ORDER BY started_ms LIMIT ?2)";

/// Rows that one statement deletes at most, so that the batch holds the write lock only for a short time.
const MAX_DELETED_ROWS: i64 = 100;
