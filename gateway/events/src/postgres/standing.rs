//! How the events of each tenant stand.

use sqlx::postgres::PgRow;
use sqlx::{Postgres as Engine, QueryBuilder, Row};

use super::filter::millis;
use crate::{Standing, now};

/// Counts each tenant's events by their states. There may be millions of delivered ones, so those are what is left of all
/// that the database's own accounts have.
pub(super) fn standing() -> QueryBuilder<Engine> {
    let [due, waiting, parked] = ["waiting.due", "waiting.oldest", "parked.oldest"].map(millis);
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

/// Reads a row of it.
pub(super) fn read(row: &PgRow) -> Result<Standing, sqlx::Error> {
    let due: Option<i64> = row.try_get(5)?;
    let oldest: [Option<i64>; 2] = [row.try_get(6)?, row.try_get(7)?];
    let counts = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
    // Times are ahead of now there, and so below zero for the past.
    let age = oldest.into_iter().flatten().min().map(i64::saturating_neg);
    Ok(Standing::new(row.try_get(0)?, counts, age, due.map(|ahead| now().saturating_add(ahead))))
}
