//! The event with which a breaker's probe asks a portal.

use sqlx::{Postgres as Engine, QueryBuilder};

use crate::store::NEWEST;

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
