//! Queries for the events to deliver next.

use sqlx::{QueryBuilder, Sqlite as Engine};

use super::rows::DUE;
use crate::{Millis, NEWEST};

/// Selects the first `limit` due events of each tenant, without the row ids in `except`. SQLite has no array parameters, so
/// lists are JSON arrays. The query searches the index once per tenant, so its cost does not depend on the number of
/// waiting events.
pub(super) fn due_of(
    tenants: &[&str],
    now: Millis,
    limit: usize,
    retries: bool,
    except: &str,
) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new(format!("SELECT {DUE} FROM (SELECT value AS name FROM json_each("));
    query.push_bind(serde_json::json!(tenants).to_string());
    // `CROSS JOIN` fixes the order, so that SQLite searches the index once per tenant: https://sqlite.org/optoverview.html
    query.push(")) AS wanted CROSS JOIN event ON event.id IN (SELECT id FROM ");
    if retries {
        query.push(
            "event AS due INDEXED BY event_due WHERE due.state = 0 AND due.tenant = wanted.name AND due.due_ms <= ",
        );
        query.push_bind(now);
    } else {
        // Events without attempts became due last, so only the tenant's newest due events are searched for them.
        query.push(
            "(SELECT id, attempts, due_ms FROM event INDEXED BY event_due WHERE state = 0 AND tenant = wanted.name \
             AND due_ms <= ",
        );
        query
            .push_bind(now)
            .push(" ORDER BY due_ms DESC LIMIT ")
            .push(NEWEST)
            .push(") AS due WHERE due.attempts = 0");
    }
    query.push(" AND due.id NOT IN (SELECT value FROM json_each(").push_bind(except.to_owned());
    query.push(")) ORDER BY due.due_ms LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query.push(") ORDER BY due_ms");
    query
}

/// Selects `columns` of the newest event of a tenant that is due and was never attempted.
pub(super) fn newest_untried(
    columns: &str,
    tenant: &str,
    now: Millis,
    except: &[i64],
) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new(format!(
        "SELECT {columns} FROM event WHERE id IN (SELECT id FROM (SELECT id, attempts, due_ms FROM event \
         WHERE state = 0 AND tenant = "
    ));
    query.push_bind(tenant.to_owned()).push(" AND due_ms <= ").push_bind(now);
    query.push(" ORDER BY due_ms DESC LIMIT ").push(NEWEST);
    query.push(") newest WHERE attempts = 0 AND id NOT IN (SELECT value FROM json_each(");
    query.push_bind(serde_json::json!(except).to_string()).push(")) ORDER BY due_ms DESC LIMIT 1)");
    query
}
