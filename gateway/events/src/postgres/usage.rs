//! How much of the database each tenant uses, and which new events exceed a share.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::database::Postgres;
use crate::share::{EntryCounts, KEY, ShareCheck, Usage, tenants};
use crate::{Command, NewEntry, Share};

/// The use of each tenant at the last query, plus what this gateway has inserted since.
#[derive(Debug, Default)]
pub(super) struct UsageCache {
    queried_at: Option<Instant>,
    by_tenant: HashMap<String, Usage>,
}

/// Returns the uids of the new events that would exceed their tenants' shares. The figures are at most 5 s old, so a
/// tenant may exceed its share by what other gateways insert in that time.
pub(super) async fn find_refused(
    connection: &mut PgConnection,
    batch: &[Command],
    store: &Postgres,
    used: &mut UsageCache,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let Some(share) = store.share.filter(|_| !tenants(batch).is_empty()) else { return Ok(HashSet::new()) };
    if used.queried_at.is_none_or(|at| at.elapsed() >= CACHE_TIME) {
        let query = "SELECT tenant, sum(events)::bigint, sum(bytes + keys * $1)::bigint FROM event_use GROUP BY tenant";
        used.by_tenant.clear();
        for row in sqlx::query(query).bind(KEY).fetch_all(connection).await? {
            used.by_tenant.insert(row.try_get(0)?, Usage { events: row.try_get(1)?, bytes: row.try_get(2)? });
        }
        used.queried_at = Some(Instant::now());
    }
    Ok(ShareCheck::new(share, &mut used.by_tenant).refused(batch))
}

/// Returns which entries of a batch their tenants may still have, each in its place.
pub(super) async fn admit(
    connection: &mut PgConnection,
    entries: &[&NewEntry],
    share: Option<Share>,
    counts: &mut EntryCounts,
) -> Result<Vec<bool>, sqlx::Error> {
    let Some(share) = share.filter(|_| !entries.is_empty()) else { return Ok(vec![true; entries.len()]) };
    if counts.is_old() {
        let query = "SELECT tenant, sum(entries)::bigint FROM started_use GROUP BY tenant";
        counts.renew(sqlx::query_as(query).fetch_all(connection).await?.into_iter().collect());
    }
    Ok(entries.iter().map(|entry| counts.admit(entry, share.max_entries())).collect())
}

/// Merges rows of `event_use` and `started_use`, to which each change of events adds one.
pub(super) async fn compact_usage(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Only the rows that this statement deletes are summed, so that gateways that merge at the same time count none twice.
    let query = "WITH gone AS (DELETE FROM event_use WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_use LIMIT 5000)) \
                   RETURNING tenant, events, bytes, keys) \
                 INSERT INTO event_use SELECT tenant, sum(events), sum(bytes), sum(keys) FROM gone GROUP BY tenant \
                 HAVING sum(events) <> 0 OR sum(bytes) <> 0 OR sum(keys) <> 0";
    // Planned each time: PostgreSQL would keep a plan without parameters that was made for an empty table.
    sqlx::query(query).persistent(false).execute(&mut *connection).await?;
    let query = "WITH gone AS (DELETE FROM started_use WHERE ctid = ANY(ARRAY(SELECT ctid FROM started_use LIMIT 5000)) \
                   RETURNING tenant, entries) \
                 INSERT INTO started_use SELECT tenant, sum(entries) FROM gone GROUP BY tenant HAVING sum(entries) <> 0";
    sqlx::query(query).persistent(false).execute(connection).await.map(drop)
}

/// How long the figures are used before they are queried again. A query for each batch would delay notifications.
const CACHE_TIME: Duration = Duration::from_secs(5);
