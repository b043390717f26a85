//! How much of the file each tenant uses, and which new events exceed a share.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::file::Sqlite;
use crate::share::{KEY, ShareCheck, Usage, tenants};
use crate::{Command, Share};

/// Returns the uids of the new events that would exceed their tenants' shares.
pub(super) async fn find_refused(
    connection: &mut SqliteConnection,
    batch: &[Command],
    store: &Sqlite,
    used: u64,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let tenants = tenants(batch);
    if tenants.is_empty() {
        return Ok(HashSet::new());
    }
    let Some(share) = share_now(connection, store, used).await? else { return Ok(HashSet::new()) };
    let names = serde_json::json!(tenants).to_string();
    let query = "SELECT tenant, events, bytes + keys * ?2 FROM event_use \
                 WHERE tenant IN (SELECT value FROM json_each(?1))";
    let mut usage = HashMap::with_capacity(tenants.len());
    for row in sqlx::query(query).bind(names).bind(KEY).fetch_all(connection).await? {
        usage.insert(row.try_get(0)?, Usage { events: row.try_get(1)?, bytes: row.try_get(2)? });
    }
    Ok(ShareCheck::new(share, &mut usage).refused(batch))
}

/// Returns the share of a tenant now; `None` for no limit. The last fifth of the store is for tenants that use less than an equal part,
/// so that one tenant cannot fill it. The part holds for events and for the ledger, for each of them alone.
pub(super) async fn share_now(
    connection: &mut SqliteConnection,
    store: &Sqlite,
    used: u64,
) -> Result<Option<Share>, sqlx::Error> {
    let Some(share) = store.share.filter(|_| used >= store.max_bytes / 5 * 4) else { return Ok(store.share) };
    let query = "SELECT count(*) FROM (SELECT tenant FROM event_use WHERE events > 0 UNION SELECT tenant FROM started_use)";
    let tenants = sqlx::query_scalar(query).fetch_one(connection).await?;
    Ok(Some(share.when_scarce(store.max_bytes, tenants)))
}
