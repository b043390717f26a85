//! Filters as SQL.

use sqlx::{Postgres as Engine, QueryBuilder};

use crate::{Filter, Millis, now};

/// Appends the conditions of a filter; without any, one that always holds.
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

/// A time by this machine's clock as one by the database's, which alone counts there.
pub(super) fn push_time(query: &mut QueryBuilder<Engine>, at: Millis) {
    query.push("now() + ").push_bind(at.saturating_sub(now())).push(" * interval '1 millisecond'");
}

/// A column's time as one by this machine's clock, in milliseconds.
pub(super) fn millis(column: &str) -> String {
    format!("(extract(epoch FROM {column} - now()) * 1000)::bigint")
}

/// A column's time as it stands there, by the database's clock: the same each time it is shown.
pub(super) fn shown(column: &str) -> String {
    format!("(extract(epoch FROM {column}) * 1000)::bigint")
}
