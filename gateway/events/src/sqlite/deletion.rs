//! Deletes expired events and deduplication keys, and frees the shares of tenants.

use sqlx::sqlite::SqliteConnection;

use crate::{RetentionLimits, Share};

/// Deletes a limited number of rows of each kind that has expired. Returns whether more may be left.
pub(super) async fn delete_expired(
    connection: &mut SqliteConnection,
    limits: RetentionLimits,
) -> Result<bool, sqlx::Error> {
    let steps = [
        (DELETE_DELIVERED, Some(limits.delivered)),
        (DELETE_DEAD, limits.dead),
        // Keys come last: deleting an event moves its key to `seen`.
        (DELETE_KEYS, Some(limits.keys)),
    ];
    let mut may_have_more = false;
    for (query, before) in steps {
        if let Some(before) = before {
            let done =
                sqlx::query(query).bind(before).bind(MAX_DELETED_ROWS).execute(&mut *connection).await?;
            may_have_more |= i64::try_from(done.rows_affected()).is_ok_and(|rows| rows >= MAX_DELETED_ROWS);
        }
    }
    Ok(may_have_more)
}

/// Deletes old delivered events and settled entries of the ledger of tenants that have used most of their share, and the oldest
/// deduplication keys of tenants whose keys take more than their part of it. For entries of the ledger the share is the one of `now`.
/// Returns whether more may be left.
pub(super) async fn free_shares(
    connection: &mut SqliteConnection,
    share: Option<Share>,
    now: Option<Share>,
) -> Result<bool, sqlx::Error> {
    let (Some(share), Some(now)) = (share, now) else { return Ok(false) };
    let entries = now.early_deletion_threshold().max_entries();
    let may_have_more = free_entries(connection, entries).await?;
    Ok(free_events(connection, share).await? || may_have_more)
}

/// Deletes the oldest settled entries of tenants that have more than `limit` entries.
async fn free_entries(connection: &mut SqliteConnection, limit: i64) -> Result<bool, sqlx::Error> {
    delete_excess(connection, TENANTS_OF_MANY_ENTRIES, limit, DELETE_SETTLED_OF_TENANT).await
}

/// Deletes rows of the tenants that `tenants` finds over `limit`, as many as they have too many. Returns whether it deleted any.
async fn delete_excess(
    connection: &mut SqliteConnection,
    tenants: &'static str,
    limit: i64,
    delete: &'static str,
) -> Result<bool, sqlx::Error> {
    let mut has_deleted = false;
    let tenants: Vec<(String, i64)> = sqlx::query_as(tenants).bind(limit).fetch_all(&mut *connection).await?;
    for (tenant, excess) in tenants {
        let query = sqlx::query(delete).bind(tenant).bind(excess.min(MAX_DELETED_ROWS));
        has_deleted |= query.execute(&mut *connection).await?.rows_affected() > 0;
    }
    Ok(has_deleted)
}

async fn free_events(connection: &mut SqliteConnection, share: Share) -> Result<bool, sqlx::Error> {
    let threshold = share.early_deletion_threshold();
    // Few tenants at a time, so that the batch stays short; the caller repeats the command.
    let query = "SELECT tenant FROM event_use WHERE bytes > ?1 OR events > ?2 LIMIT 10";
    let tenants: Vec<String> = sqlx::query_scalar(query)
        .bind(threshold.bytes)
        .bind(threshold.events)
        .fetch_all(&mut *connection)
        .await?;
    let mut may_have_more = false;
    for tenant in tenants {
        let done = sqlx::query(DELETE_DELIVERED_OF_TENANT)
            .bind(tenant)
            .bind(MAX_DELETED_ROWS)
            .execute(&mut *connection)
            .await?;
        may_have_more |= done.rows_affected() > 0;
    }
    let keys = share.max_dedup_keys();
    let is_over_keys = delete_excess(connection, TENANTS_OF_MANY_KEYS, keys, DELETE_OLDEST_KEYS).await?;
    Ok(may_have_more || is_over_keys)
}

/// `INDEXED BY` names the index by time: with another index SQLite would read all events of the state.
pub(super) const DELETE_DELIVERED: &str = "DELETE FROM event WHERE id IN \
     (SELECT id FROM event INDEXED BY event_done WHERE state = 1 AND done_ms < ?1 LIMIT ?2)";
pub(super) const DELETE_DEAD: &str = "DELETE FROM event WHERE id IN \
     (SELECT id FROM event INDEXED BY event_ended WHERE state = 2 AND done_ms < ?1 LIMIT ?2)";
pub(super) const DELETE_KEYS: &str =
    "DELETE FROM seen WHERE dedup IN (SELECT dedup FROM seen WHERE at_ms < ?1 LIMIT ?2)";
/// The limit applies to the tenant's oldest events of all states, so that the statement reads few rows even when most
/// events wait.
pub(super) const DELETE_DELIVERED_OF_TENANT: &str = "DELETE FROM event WHERE state = 1 AND id IN \
     (SELECT id FROM event WHERE tenant = ?1 ORDER BY received_ms LIMIT ?2)";
const TENANTS_OF_MANY_KEYS: &str = "SELECT tenant, keys - ?1 FROM event_use WHERE keys > ?1 LIMIT 10";
/// Tenants without settled entries are left out, so that ten of them do not take the place of others.
const TENANTS_OF_MANY_ENTRIES: &str = "SELECT tenant, entries - ?1 FROM started_use WHERE entries > ?1 AND EXISTS \
     (SELECT 1 FROM started WHERE started.tenant = started_use.tenant AND state <> 0) LIMIT 10";
pub(super) const DELETE_SETTLED_OF_TENANT: &str = "DELETE FROM started WHERE id IN (SELECT id FROM started \
     INDEXED BY started_settled WHERE tenant = ?1 AND state <> 0 ORDER BY started_ms LIMIT ?2)";
pub(super) const DELETE_OLDEST_KEYS: &str =
    "DELETE FROM seen WHERE dedup IN (SELECT dedup FROM seen WHERE tenant = ?1 ORDER BY at_ms LIMIT ?2)";

/// Rows that one statement deletes at most, so that the batch holds the write lock only for a short time.
const MAX_DELETED_ROWS: i64 = 100;
