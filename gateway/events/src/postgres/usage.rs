//! What each tenant's events take of a database that several gateways write to.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::database::Postgres;
use crate::Command;
use crate::share::{KEY, ShareCheck, Usage, tenants};

/// What the tenants' events took at the last look, and this gateway's own since.
#[derive(Debug, Default)]
pub(super) struct Used {
    at: Option<Instant>,
    by: HashMap<String, Usage>,
}

/// The new events for which their tenants have no room. The look at the database is a few seconds old at most; what
/// other gateways have stored since may come on top.
pub(super) async fn refused(
    connection: &mut PgConnection,
    batch: &[Command],
    store: &Postgres,
    used: &mut Used,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let Some(share) = store.share.filter(|_| !tenants(batch).is_empty()) else { return Ok(HashSet::new()) };
    if used.at.is_none_or(|at| at.elapsed() >= USED_FOR) {
        let query = "SELECT tenant, sum(events)::bigint, sum(bytes + keys * $1)::bigint FROM event_use GROUP BY tenant";
        used.by.clear();
        for row in sqlx::query(query).bind(KEY).fetch_all(connection).await? {
            used.by.insert(row.try_get(0)?, Usage { events: row.try_get(1)?, bytes: row.try_get(2)? });
        }
        used.at = Some(Instant::now());
    }
    Ok(ShareCheck::new(share, &mut used.by).refused(batch))
}

/// Makes fewer rows of all that the tenants' events take.
pub(super) async fn add_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let query = "WITH gone AS (DELETE FROM event_use WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_use LIMIT 5000)) \
                   RETURNING tenant, events, bytes, keys) \
                 INSERT INTO event_use SELECT tenant, sum(events), sum(bytes), sum(keys) FROM gone GROUP BY tenant \
                 HAVING sum(events) <> 0 OR sum(bytes) <> 0 OR sum(keys) <> 0";
    // Without parameters, its plan would be the one that was made for an empty table.
    sqlx::query(query).persistent(false).execute(connection).await.map(drop)
}

/// How long a look at what tenants use holds.
const USED_FOR: Duration = Duration::from_secs(5);
