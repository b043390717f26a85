//! Which events are sent next.

use sqlx::{Postgres as Engine, QueryBuilder};

use crate::{NEWEST, Wanted};

/// Selects as `free` the first events of each tenant that are due, but those in `except`. The limit of all, which cuts
/// nothing off, tells the planner that they are few: by limits that come from rows it expects a tenth of the table.
pub(super) fn due_of(wanted: &[&Wanted], retries: bool, except: &[i64]) -> QueryBuilder<Engine> {
    let tenants: Vec<String> = wanted.iter().map(|one| one.tenant.clone()).collect();
    let limits: Vec<i64> = wanted.iter().map(|one| i64::try_from(one.limit).unwrap_or(i64::MAX)).collect();
    let most = limits.iter().copied().fold(0_i64, i64::saturating_add);
    let mut query = QueryBuilder::new("WITH wanted AS (SELECT * FROM unnest(");
    query.push_bind(tenants).push(", ").push_bind(limits);
    query.push(") AS wanted(tenant, room)), free AS (SELECT due.id FROM wanted, LATERAL (");
    // New events are due last, and the others are not all looked at for them.
    if retries {
        query.push("SELECT id FROM event WHERE state = 0 AND tenant = wanted.tenant AND due <= now()");
    } else {
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
    query.push(") ORDER BY event.due LIMIT wanted.room FOR UPDATE OF event SKIP LOCKED) AS due LIMIT ");
    query.push_bind(most).push(")");
    query
}

/// Selects as `free` the newest event of a tenant that is due and was never tried.
pub(super) fn newest_untried(tenant: &str, except: &[i64]) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new(
        "WITH newest AS (SELECT id, due FROM event WHERE state = 0 AND due <= now() AND tenant = ",
    );
    query.push_bind(tenant.to_owned()).push(" ORDER BY due DESC LIMIT ").push(NEWEST);
    query.push(
        "), free AS (SELECT event.id FROM event JOIN newest USING (id) WHERE event.state = 0 AND event.attempts = 0 \
         AND (event.leased_until IS NULL OR event.leased_until < now()) AND NOT event.id = ANY(",
    );
    query.push_bind(except.to_vec());
    query.push(") ORDER BY newest.due DESC LIMIT 1 FOR UPDATE OF event SKIP LOCKED)");
    query
}
