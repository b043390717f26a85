//! Undelivered events, the oldest first.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite as Engine};

use super::filter::push_filter;
use super::rows::{LISTED, listed};
use crate::{Cursor, Filter, Undelivered, now};

/// Selects the oldest events by receipt that wait or are parked and fit. Which ones they are is found in the index of due
/// times, which has the times of receipt, too; only those are read.
pub(super) fn undelivered(filter: &Filter, after: Option<Cursor>, limit: usize) -> QueryBuilder<Engine> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut query = QueryBuilder::new(format!("SELECT {LISTED}, id FROM event WHERE id IN ("));
    for (place, state) in filter.undelivered().enumerate() {
        let of_state = Filter { state: None, ..filter.clone() };
        query.push(if place == 0 { "" } else { " UNION ALL " });
        // The state is written out, so that its partial index fits.
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

/// Reads a row of it.
pub(super) fn read(row: &SqliteRow) -> Result<Undelivered, sqlx::Error> {
    let listed = listed(row)?;
    let cursor = Cursor { received: listed.received, id: row.try_get(11)? };
    Ok(Undelivered { age: now().saturating_sub(listed.received), cursor, listed })
}
