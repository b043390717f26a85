//! How the events of each tenant stand.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite as Engine};

use crate::{Standing, now};

/// Counts each tenant's events by their states. There may be millions of delivered ones, so those are what is left of all
/// that the store's own accounts have.
pub(super) fn standing() -> QueryBuilder<Engine> {
    QueryBuilder::new(
        "WITH waiting AS (SELECT tenant, count(*) AS events, min(due_ms) AS due, min(received_ms) AS oldest \
           FROM event WHERE state = 0 GROUP BY tenant), \
         parked AS (SELECT tenant, count(*) AS events, min(received_ms) AS oldest \
           FROM event WHERE state = 3 GROUP BY tenant), \
         dead AS (SELECT tenant, count(*) AS events FROM event WHERE state = 2 GROUP BY tenant) \
         SELECT tenant, event_use.events, coalesce(waiting.events, 0), coalesce(parked.events, 0), \
           coalesce(dead.events, 0), waiting.due, waiting.oldest, parked.oldest \
         FROM event_use LEFT JOIN waiting USING (tenant) LEFT JOIN parked USING (tenant) LEFT JOIN dead USING (tenant) \
         WHERE event_use.events > 0 ORDER BY tenant",
    )
}

/// Reads a row of it.
pub(super) fn read(row: &SqliteRow) -> Result<Standing, sqlx::Error> {
    let oldest: [Option<i64>; 2] = [row.try_get(6)?, row.try_get(7)?];
    let counts = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
    let age = oldest.into_iter().flatten().min().map(|at| now().saturating_sub(at));
    Ok(Standing::new(row.try_get(0)?, counts, age, row.try_get(5)?))
}
