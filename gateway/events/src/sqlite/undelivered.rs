//! Lists undelivered events, the oldest first.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite as Engine};

use super::filter::push_filter;
use super::rows::{LISTED, read_listed};
use crate::{Cursor, Filter, Undelivered, now};

/// Selects the waiting and parked events that match, the oldest receipt first. The inner queries find them in the index of
/// due times, which contains the time of receipt; only the selected rows are read from the table.
pub(super) fn undelivered(filter: &Filter, after: Option<Cursor>, limit: usize) -> QueryBuilder<Engine> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut query = QueryBuilder::new(format!("SELECT {LISTED}, id FROM event WHERE id IN ("));
    for (place, state) in filter.undelivered().enumerate() {
        let of_state = Filter { state: None, ..filter.clone() };
        query.push(if place == 0 { "" } else { " UNION ALL " });
        // The state is a literal, not a bound value, so that SQLite can use the partial index of the state.
        query.push(format!("SELECT id FROM (SELECT id FROM event WHERE state = {} AND ", state.code()));
        push_filter(&mut query, &of_state);
        if let Some(after) = after {
            query.push(" AND (received_ms, id) > (").push_bind(after.received).push(", ");
            query.push_bind(after.id).push(")");
        }
        query.push(" ORDER BY received_ms, id LIMIT ").push_bind(limit).push(")");
    }
    query.push(") ORDER BY received_ms, id LIMIT ").push_bind(limit);
    query
}

/// Reads a row of [`undelivered`].
pub(super) fn read(row: &SqliteRow) -> Result<Undelivered, sqlx::Error> {
    let listed = read_listed(row)?;
    let cursor = Cursor { received: listed.received, id: row.try_get(11)? };
    Ok(Undelivered { age: now().saturating_sub(listed.received), cursor, listed })
}
