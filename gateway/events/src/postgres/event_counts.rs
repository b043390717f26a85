//! Counts the events of each tenant by state.

use sqlx::postgres::PgRow;
use sqlx::{Postgres as Engine, QueryBuilder, Row};

use super::filter::millis_from_now;
use crate::{TenantEventCounts, now};

/// Selects the number of events of each tenant by state. Delivered events are not counted, because there may be millions of
/// them: they are the total in `event_use` minus the events of the other states.
pub(super) fn event_counts() -> QueryBuilder<Engine> {
    let [due, waiting, parked] = ["waiting.due", "waiting.oldest", "parked.oldest"].map(millis_from_now);
    QueryBuilder::new(format!(
        "WITH used AS (SELECT tenant, sum(events)::bigint AS events FROM event_use GROUP BY tenant), \
         waiting AS (SELECT tenant, count(*) AS events, min(due) AS due, min(received) AS oldest \
           FROM event WHERE state = 0 GROUP BY tenant), \
         parked AS (SELECT tenant, count(*) AS events, min(received) AS oldest \
           FROM event WHERE state = 3 GROUP BY tenant), \
         dead AS (SELECT tenant, count(*) AS events FROM event WHERE state = 2 GROUP BY tenant) \
         SELECT tenant, used.events, coalesce(waiting.events, 0), coalesce(parked.events, 0), \
           coalesce(dead.events, 0), {due}, {waiting}, {parked} \
         FROM used LEFT JOIN waiting USING (tenant) LEFT JOIN parked USING (tenant) LEFT JOIN dead USING (tenant) \
         WHERE used.events > 0 ORDER BY tenant"
    ))
}

/// Reads a row of [`event_counts`].
pub(super) fn read(row: &PgRow) -> Result<TenantEventCounts, sqlx::Error> {
    let due: Option<i64> = row.try_get(5)?;
    let oldest: [Option<i64>; 2] = [row.try_get(6)?, row.try_get(7)?];
    let counts = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
    // The times are relative to now and negative for the past, so the age is their negation.
    let age = oldest.into_iter().flatten().min().map(i64::saturating_neg);
    Ok(TenantEventCounts::new(row.try_get(0)?, counts, age, due.map(|ahead| now().saturating_add(ahead))))
}
