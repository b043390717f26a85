//! Moves events along with the system's clock.

use sqlx::sqlite::SqliteConnection;

use super::bulk::Pages;
use crate::store::{Millis, Progress};

/// Moves the next rows by a jump, and says how far that is. What was received after the jump has its age already.
pub(super) async fn shift(
    connection: &mut SqliteConnection,
    by: Millis,
    now: Millis,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    // Rows of all states, so that however few of them wait, a step is bounded.
    let Some(last) = Pages::All.end(connection, progress.after).await? else { return Ok(progress) };
    let query = sqlx::query(SHIFT).bind(by).bind(now).bind(progress.after).bind(last);
    let done = query.execute(connection).await?;
    Ok(progress.at(last, done.rows_affected()))
}

pub(super) const SHIFT: &str = "UPDATE event NOT INDEXED SET due_ms = due_ms + min(?1, 0), since_ms = CASE \
       WHEN ?1 > 0 AND since_ms <= ?2 - ?1 OR ?1 < 0 AND since_ms > ?2 THEN since_ms + ?1 ELSE since_ms END \
     WHERE state = 0 AND id > ?3 AND id <= ?4";
