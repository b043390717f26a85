//! Which events are sent next.

use sqlx::{Postgres as Engine, QueryBuilder};

use crate::store::{NEWEST, Wanted};

/// Selects as `free` the first events of each tenant that are due, but those in `except`.
pub(super) fn due_of(wanted: &[Wanted], except: &[i64]) -> QueryBuilder<Engine> {
    let tenants: Vec<String> = wanted.iter().map(|one| one.tenant.clone()).collect();
    let limit = |one: &Wanted| i64::try_from(one.limit).unwrap_or(i64::MAX);
    let mut query = QueryBuilder::new("WITH wanted AS (SELECT * FROM unnest(");
    query.push_bind(tenants).push(", ").push_bind(wanted.iter().map(limit).collect::<Vec<_>>());
    query.push(", ").push_bind(wanted.iter().map(|one| one.retries).collect::<Vec<_>>());
    query.push(
        ") AS wanted(tenant, room, retries)), free AS (SELECT due.id FROM wanted, LATERAL (SELECT id FROM event \
         WHERE state = 0 AND tenant = wanted.tenant AND due <= now() \
         AND (leased_until IS NULL OR leased_until < now()) AND (wanted.retries OR attempts = 0) AND NOT id = ANY(",
    );
    query.push_bind(except.to_vec());
    query.push(") ORDER BY due LIMIT wanted.room FOR UPDATE SKIP LOCKED) AS due)");
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
