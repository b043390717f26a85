//! Shifts ages and due times of waiting events after the system's clock has jumped.

use sqlx::sqlite::SqliteConnection;

use super::bulk::PageIndex;
use crate::{Command, Millis, PAGE, Progress};

/// Returns the newest row before a batch that shifts times; `None` for other batches.
///
/// A batch inserts its new events before it applies its other commands. Those events have times of the new clock already
/// and must not be shifted. Their times alone do not show that: one that was received after the `now` of the command
/// looks like an event of the old clock.
pub(super) async fn newest_row(
    connection: &mut SqliteConnection,
    batch: &[Command],
) -> Result<Option<i64>, sqlx::Error> {
    if !batch.iter().any(|command| matches!(command, Command::ShiftTimes { .. })) {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(id) FROM event").fetch_one(connection).await
}

/// Shifts one page of rows, up to the row `newest`, by a jump, and returns the progress. Events that were received after
/// the jump keep their times.
pub(super) async fn shift_times(
    connection: &mut SqliteConnection,
    by: Millis,
    now: Millis,
    progress: Progress,
    newest: Option<i64>,
) -> Result<Progress, sqlx::Error> {
    // A page counts rows of all states, so that a step is bounded even when few events wait.
    let last = PageIndex::All.last_id(connection, progress.after).await?.min(newest);
    let Some(last) = last.filter(|last| *last > progress.after) else { return Ok(progress) };
    let query = sqlx::query(SHIFT_TIMES).bind(by).bind(now).bind(progress.after).bind(last);
    let done = query.execute(connection).await?;
    Ok(progress.at(last, done.rows_affected()))
}

/// Shifts one page of the ledger: of its open entries. Returns the progress.
pub(super) async fn shift_ledger(
    connection: &mut SqliteConnection,
    by: Millis,
    now: Millis,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    if by >= 0 {
        return Ok(progress);
    }
    let query = "SELECT max(id) FROM (SELECT id FROM started WHERE id > ?1 ORDER BY id LIMIT ?2)";
    let query = sqlx::query_scalar(query).bind(progress.after).bind(PAGE);
    let Some(last) = query.fetch_one(&mut *connection).await? else { return Ok(progress) };
    let query = sqlx::query(SHIFT_LEDGER).bind(by).bind(now).bind(progress.after).bind(last);
    let done = query.execute(connection).await?;
    Ok(progress.at(last, done.rows_affected()))
}

/// A backward jump also shifts the open entries of the ledger: when they are due, and, if they are of the future now, when they
/// were started and are overdue. A forward jump shifts none of them. It cannot be told from a time when no gateway ran, in which
/// results did become overdue; and results that are looked up too early cost calls of the budget, no more.
///
/// Only entries that are due in the future change, and of those that were never looked up only the ones that were started in the
/// future: the others cannot be told from entries that were noted since the jump, and wait no longer than those.
pub(super) const SHIFT_LEDGER: &str = "UPDATE started NOT INDEXED SET due_ms = due_ms + ?1, \
       overdue_ms = CASE WHEN started_ms > ?2 THEN overdue_ms + ?1 ELSE overdue_ms END, \
       started_ms = CASE WHEN started_ms > ?2 THEN started_ms + ?1 ELSE started_ms END \
     WHERE state = 0 AND due_ms > ?2 AND (started_ms > ?2 OR lookups > 0 OR error IS NOT NULL) AND id > ?3 AND id <= ?4";

/// A backward jump shifts ages and due times. A forward jump shifts only ages: the events become due earlier.
pub(super) const SHIFT_TIMES: &str = "UPDATE event NOT INDEXED SET due_ms = due_ms + min(?1, 0), since_ms = CASE \
       WHEN ?1 > 0 AND since_ms <= ?2 - ?1 OR ?1 < 0 AND since_ms > ?2 THEN since_ms + ?1 ELSE since_ms END \
     WHERE state = 0 AND id > ?3 AND id <= ?4";
