//! Queries for the events to deliver next.

use sqlx::{Postgres as Engine, QueryBuilder};

use crate::{DueRequest, NEWEST};

/// Selects as `claimable` the first due events of each tenant, without the row ids in `except`, and locks them.
///
/// The outer limit is the sum of the tenants' limits, so it removes no row. It tells the planner how few rows there are:
/// for a limit that comes from a row, PostgreSQL expects a tenth of the table.
pub(super) fn due_of(wanted: &[&DueRequest], retries: bool, except: &[i64]) -> QueryBuilder<Engine> {
    let tenants: Vec<String> = wanted.iter().map(|one| one.tenant.clone()).collect();
    let limits: Vec<i64> = wanted.iter().map(|one| i64::try_from(one.limit).unwrap_or(i64::MAX)).collect();
    let total = limits.iter().copied().fold(0_i64, i64::saturating_add);
    let mut query = QueryBuilder::new("WITH wanted AS (SELECT * FROM unnest(");
    query.push_bind(tenants).push(", ").push_bind(limits);
    query.push(") AS wanted(tenant, max_rows)), claimable AS (SELECT due.id FROM wanted, LATERAL (");
    if retries {
        query.push("SELECT id FROM event WHERE state = 0 AND tenant = wanted.tenant AND due <= now()");
    } else {
        // Events without attempts became due last, so only the tenant's newest due events are searched for them.
        query.push(
            "SELECT event.id FROM (SELECT id FROM event WHERE state = 0 AND tenant = wanted.tenant AND due <= now() \
             ORDER BY due DESC LIMIT ",
        );
        query
            .push(NEWEST)
            .push(") AS newest JOIN event USING (id) WHERE event.state = 0 AND event.attempts = 0");
    }
    query.push(" AND (event.leased_until IS NULL OR event.leased_until < now()) AND NOT event.id = ANY(");
    query.push_bind(except.to_vec());
    // Events that another gateway claims at the same moment are skipped, not waited for.
    query.push(") ORDER BY event.due LIMIT wanted.max_rows FOR UPDATE OF event SKIP LOCKED) AS due LIMIT ");
    query.push_bind(total).push(")");
    query
}

/// Selects as `claimable` the newest event of a tenant that is due and was never attempted.
pub(super) fn newest_untried(tenant: &str, except: &[i64]) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new(
        "WITH newest AS (SELECT id, due FROM event WHERE state = 0 AND due <= now() AND tenant = ",
    );
    query.push_bind(tenant.to_owned()).push(" ORDER BY due DESC LIMIT ").push(NEWEST);
    query.push(
        "), claimable AS (SELECT event.id FROM event JOIN newest USING (id) WHERE event.state = 0 AND event.attempts = 0 \
         AND (event.leased_until IS NULL OR event.leased_until < now()) AND NOT event.id = ANY(",
    );
    query.push_bind(except.to_vec());
    query.push(") ORDER BY newest.due DESC LIMIT 1 FOR UPDATE OF event SKIP LOCKED)");
    query
}
