//! Converts filters and times to SQL.

use sqlx::{Postgres as Engine, QueryBuilder};

use crate::{Filter, Millis, now};

/// Appends the conditions of a filter; for an empty filter, a condition that is always true.
pub(super) fn push_filter(query: &mut QueryBuilder<Engine>, filter: &Filter) {
    query.push("true");
    if let Some(uid) = filter.uid {
        query.push(" AND uid = ").push_bind(uid);
    }
    if let Some(state) = filter.state {
        query.push(" AND state = ").push(state.code());
    }
    for (column, value) in
        [("tenant", &filter.tenant), ("kind", &filter.kind), ("resource", &filter.resource)]
    {
        if let Some(value) = value {
            query.push(" AND ").push(column).push(" = ").push_bind(value.clone());
        }
    }
    if let Some(keys) = &filter.under {
        query.push(" AND key_id = ANY(").push_bind(keys.clone()).push(")");
    }
    if let Some(keys) = &filter.not_under {
        query.push(" AND key_id <> ALL(").push_bind(keys.clone()).push(")");
    }
    if let Some(reason) = &filter.reason {
        query.push(" AND dead_reason = ").push_bind(reason.clone());
    }
    if let Some(reason) = filter.not_reason {
        query.push(" AND coalesce(dead_reason, '') <> ").push_bind(reason);
    }
    if let Some(since) = filter.since {
        push_time(query.push(" AND received >= "), since);
    }
    if let Some(until) = filter.until {
        push_time(query.push(" AND received < "), until);
    }
}

/// Appends a time of this machine's clock as a time of the database's clock: its distance from now is added to the
/// database's `now()`.
pub(super) fn push_time(query: &mut QueryBuilder<Engine>, at: Millis) {
    query.push("now() + ").push_bind(at.saturating_sub(now())).push(" * interval '1 millisecond'");
}

/// Selects the distance of a column's time from the database's `now()`, in milliseconds; negative for the past. The caller
/// adds it to this machine's clock.
pub(super) fn millis_from_now(column: &str) -> String {
    format!("(extract(epoch FROM {column} - now()) * 1000)::bigint")
}

/// Selects a column's time by the database's clock, in milliseconds since 1970. Unlike a distance from now, it is the same
/// in each list.
pub(super) fn unix_millis(column: &str) -> String {
    format!("(extract(epoch FROM {column}) * 1000)::bigint")
}
