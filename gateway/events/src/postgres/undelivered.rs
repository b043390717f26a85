//! Lists undelivered events, the oldest first.

use sqlx::postgres::PgRow;
use sqlx::{Postgres as Engine, QueryBuilder, Row};

use super::filter::{millis_from_now, push_filter};
use super::rows::{listed_columns, read_listed};
use crate::{Cursor, Filter, Undelivered};

/// Selects the waiting and parked events that match, the oldest receipt first. The cursor has the time of receipt in
/// microseconds, the resolution of `timestamptz`: with milliseconds, a page could repeat or skip events.
pub(super) fn undelivered(filter: &Filter, after: Option<Cursor>, limit: usize) -> QueryBuilder<Engine> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut query = QueryBuilder::new(format!(
        "SELECT {}, id, (extract(epoch FROM received) * 1000000)::bigint, {} FROM event WHERE id IN (",
        listed_columns(),
        millis_from_now("received")
    ));
    for (place, state) in filter.undelivered().enumerate() {
        let of_state = Filter { state: None, ..filter.clone() };
        query.push(if place == 0 { "(" } else { " UNION ALL (" });
        // The state is a literal, not a bound value, so that PostgreSQL can use the partial index of the state.
        query.push(format!("SELECT id FROM event WHERE state = {} AND ", state.code()));
        push_filter(&mut query, &of_state);
        if let Some(after) = after {
            query.push(" AND (received, id) > (timestamptz 'epoch' + ").push_bind(after.received);
            query.push(" * interval '1 microsecond', ").push_bind(after.id).push(")");
        }
        query.push(" ORDER BY received, id LIMIT ").push_bind(limit).push(")");
    }
    query.push(") ORDER BY received, id LIMIT ").push_bind(limit);
    query
}

/// Reads a row of [`undelivered`].
pub(super) fn read(row: &PgRow) -> Result<Undelivered, sqlx::Error> {
    let cursor = Cursor { received: row.try_get(12)?, id: row.try_get(11)? };
    let ahead: i64 = row.try_get(13)?;
    Ok(Undelivered { listed: read_listed(row)?, cursor, age: ahead.saturating_neg() })
}
