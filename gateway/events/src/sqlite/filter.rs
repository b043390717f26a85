//! Converts filters to SQL conditions.

use sqlx::{QueryBuilder, Sqlite as Engine};

use crate::Filter;

/// Appends the conditions of a filter; for an empty filter, a condition that is always true.
pub(super) fn push_filter(query: &mut QueryBuilder<Engine>, filter: &Filter) {
    query.push("1");
    if let Some(uid) = &filter.uid {
        query.push(" AND uid = ").push_bind(uid.as_bytes().to_vec());
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
    push_keys(query, " AND key_id IN (", filter.under.as_deref());
    push_keys(query, " AND key_id NOT IN (", filter.not_under.as_deref());
    if let Some(reason) = &filter.reason {
        query.push(" AND dead_reason = ").push_bind(reason.clone());
    }
    if let Some(reason) = filter.not_reason {
        query.push(" AND coalesce(dead_reason, '') <> ").push_bind(reason);
    }
    if let Some(since) = filter.since {
        query.push(" AND received_ms >= ").push_bind(since);
    }
    if let Some(until) = filter.until {
        query.push(" AND received_ms < ").push_bind(until);
    }
}

/// Appends a condition on the encryption key, one bound value per key.
fn push_keys(query: &mut QueryBuilder<Engine>, condition: &str, keys: Option<&[i64]>) {
    let Some(keys) = keys else { return };
    let mut list = query.push(condition).separated(", ");
    for key in keys {
        list.push_bind(*key);
    }
    query.push(")");
}
