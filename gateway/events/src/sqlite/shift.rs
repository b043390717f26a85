//! Moves events along with the system's clock.

use sqlx::sqlite::SqliteConnection;

use super::bulk::Pages;
use crate::{Command, Millis, Progress};

/// The newest row before a batch with a jump: the batch's own events are inserted first, and those that were received
/// after `now` look as if the clock had not jumped yet when they came.
pub(super) async fn newest(
    connection: &mut SqliteConnection,
    batch: &[Command],
) -> Result<Option<i64>, sqlx::Error> {
    if !batch.iter().any(|change| matches!(change, Command::ShiftTimes { .. })) {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(id) FROM event").fetch_one(connection).await
}

/// Moves the next rows, up to the newest one, by a jump, and says how far that is. What was received after the jump has
/// its age already.
pub(super) async fn shift(
    connection: &mut SqliteConnection,
    by: Millis,
    now: Millis,
    progress: Progress,
    newest: Option<i64>,
) -> Result<Progress, sqlx::Error> {
    // Rows of all states, so that however few of them wait, a step is bounded.
    let last = Pages::All.end(connection, progress.after).await?.min(newest);
    let Some(last) = last.filter(|last| *last > progress.after) else { return Ok(progress) };
    let query = sqlx::query(SHIFT).bind(by).bind(now).bind(progress.after).bind(last);
    let done = query.execute(connection).await?;
    Ok(progress.at(last, done.rows_affected()))
}

pub(super) const SHIFT: &str = "UPDATE event NOT INDEXED SET due_ms = due_ms + min(?1, 0), since_ms = CASE \
       WHEN ?1 > 0 AND since_ms <= ?2 - ?1 OR ?1 < 0 AND since_ms > ?2 THEN since_ms + ?1 ELSE since_ms END \
     WHERE state = 0 AND id > ?3 AND id <= ?4";
