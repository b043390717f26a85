//! Moves events along with the system's clock.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::store::{Millis, Progress};

/// Moves the next rows by a jump, and says how far that is. What was received after the jump has its age already.
pub(super) async fn shift(
    connection: &mut SqliteConnection,
    by: Millis,
    now: Millis,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    // Rows of all states, so that however few of them wait, a step is bounded.
    let query = "SELECT coalesce(max(id), 0), count(*) FROM (SELECT id FROM event WHERE id > ?1 ORDER BY id LIMIT ?2)";
    let row = sqlx::query(query).bind(progress.after).bind(ROWS).fetch_one(&mut *connection).await?;
    let (last, rows): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let query = "UPDATE event SET due_ms = due_ms + min(?1, 0), since_ms = CASE \
                   WHEN ?1 > 0 AND since_ms <= ?2 - ?1 OR ?1 < 0 AND since_ms > ?2 THEN since_ms + ?1 \
                   ELSE since_ms END \
                 WHERE state = 0 AND id > ?3 AND id <= ?4";
    sqlx::query(query).bind(by).bind(now).bind(progress.after).bind(last).execute(connection).await?;
    Ok(Progress { after: last, changed: progress.changed + rows })
}

/// Rows of one step.
const ROWS: i64 = 5000;
