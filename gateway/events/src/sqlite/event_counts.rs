//! Counts the events of each tenant by state.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite as Engine};

use crate::{TenantEventCounts, now};

/// Selects the number of events of each tenant by state. Delivered events are not counted, because there may be millions of
/// them: they are the total in `event_use` minus the events of the other states.
pub(super) fn event_counts() -> QueryBuilder<Engine> {
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

/// Reads a row of [`event_counts`].
pub(super) fn read(row: &SqliteRow) -> Result<TenantEventCounts, sqlx::Error> {
    let oldest: [Option<i64>; 2] = [row.try_get(6)?, row.try_get(7)?];
    let counts = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
    let age = oldest.into_iter().flatten().min().map(|at| now().saturating_sub(at));
    Ok(TenantEventCounts::new(row.try_get(0)?, counts, age, row.try_get(5)?))
}
