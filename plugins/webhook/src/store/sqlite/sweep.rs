//! Forgets what is old.

use sqlx::sqlite::SqliteConnection;

use crate::store::Sweep;

/// Says whether there may be more to forget.
pub(super) async fn sweep(connection: &mut SqliteConnection, old: Sweep) -> Result<bool, sqlx::Error> {
    let steps = [
        (
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE state = 1 AND done_ms < ?1 LIMIT ?2)",
            Some(old.delivered),
        ),
        (
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE state = 2 AND done_ms < ?1 LIMIT ?2)",
            old.dead,
        ),
        // After the events, whose keys go there.
        (
            "DELETE FROM seen WHERE dedup IN (SELECT dedup FROM seen WHERE at_ms < ?1 LIMIT ?2)",
            Some(old.keys),
        ),
    ];
    let mut is_more = false;
    for (query, before) in steps {
        if let Some(before) = before {
            let done = sqlx::query(query).bind(before).bind(SWEPT).execute(&mut *connection).await?;
            is_more |= i64::try_from(done.rows_affected()).is_ok_and(|rows| rows >= SWEPT);
        }
    }
    Ok(is_more)
}

/// Rows that are forgotten at a time.
const SWEPT: i64 = 1000;
