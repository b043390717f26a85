//! The event with which a breaker's probe asks a portal.

use sqlx::{QueryBuilder, Sqlite as Engine};

use crate::store::{Millis, NEWEST};

/// Selects `columns` of the newest event of a tenant that is due and was never tried.
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
