//! Deletes expired events and deduplication keys, and frees the shares of tenants.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder};

use super::filter::push_time;
use super::usage::compact_usage;
use crate::{RetentionLimits, Share};

/// Deletes a limited number of rows of each kind that has expired. Returns whether more may be left.
pub(super) async fn delete_expired(
    connection: &mut PgConnection,
    limits: RetentionLimits,
) -> Result<bool, sqlx::Error> {
    let events = [("state = 1 AND done < ", Some(limits.delivered)), ("state = 2 AND done < ", limits.dead)];
    let mut may_have_more = false;
    for (which, before) in events {
        let Some(before) = before else { continue };
        let mut query =
            QueryBuilder::<Engine>::new("DELETE FROM event WHERE id IN (SELECT id FROM event WHERE ");
        query.push(which);
        push_time(&mut query, before);
        query.push(" LIMIT ").push(MAX_DELETED_ROWS).push(" FOR UPDATE SKIP LOCKED)");
        may_have_more |= query.build().execute(&mut *connection).await?.rows_affected() >= MAX_DELETED_ROWS;
    }
    // Keys come last: deleting an event moves its key to `seen`.
    let mut query =
        QueryBuilder::<Engine>::new("DELETE FROM seen WHERE dedup IN (SELECT dedup FROM seen WHERE at < ");
    push_time(&mut query, limits.keys);
    query.push(" LIMIT ").push(MAX_DELETED_ROWS).push(" FOR UPDATE SKIP LOCKED)");
    may_have_more |= query.build().execute(&mut *connection).await?.rows_affected() >= MAX_DELETED_ROWS;
    compact_usage(connection).await?;
    Ok(may_have_more)
}

/// Deletes old delivered events and settled entries of the ledger of tenants that have used most of their share, and the oldest deduplication keys of tenants
/// whose keys take more than their part of it. Returns whether more may be left.
pub(super) async fn free_shares(connection: &mut PgConnection, share: Share) -> Result<bool, sqlx::Error> {
    let threshold = share.early_deletion_threshold();
    // The limit applies to the tenant's oldest events of all states, so that the statement reads few rows even when most
    // events wait.
    // Few tenants at a time, so that the statement stays short; the caller repeats the command.
    let mut query = QueryBuilder::<Engine>::new(
        "WITH large AS (SELECT tenant FROM event_use GROUP BY tenant HAVING sum(bytes) > ",
    );
    query.push_bind(threshold.bytes).push(" OR sum(events) > ").push_bind(threshold.events);
    query.push(
        " LIMIT 10), old AS (SELECT id, state FROM large, LATERAL (SELECT id, state FROM event \
           WHERE event.tenant = large.tenant ORDER BY received LIMIT ",
    );
    query.push(MAX_DELETED_ROWS).push(
        ") oldest), chosen AS (SELECT event.id FROM event JOIN old USING (id) WHERE old.state = 1 \
           AND event.state = 1 FOR UPDATE OF event SKIP LOCKED) \
         DELETE FROM event USING chosen WHERE event.id = chosen.id",
    );
    let events = query.build().execute(&mut *connection).await?.rows_affected();
    let mut query = QueryBuilder::<Engine>::new(
        "WITH large AS (SELECT tenant, sum(keys)::bigint AS keys FROM event_use GROUP BY tenant HAVING sum(keys) > ",
    );
    query.push_bind(share.max_dedup_keys()).push(
        " LIMIT 10), old AS (SELECT dedup FROM large, LATERAL (SELECT dedup FROM seen \
           WHERE seen.tenant = large.tenant ORDER BY at LIMIT least(",
    );
    query.push(MAX_DELETED_ROWS).push(", large.keys - ").push_bind(share.max_dedup_keys());
    query.push(")) oldest) DELETE FROM seen USING old WHERE seen.dedup = old.dedup");
    let keys = query.build().execute(&mut *connection).await?.rows_affected();
    let entries = free_entries(connection, threshold.max_entries()).await?;
    Ok(events > 0 || keys > 0 || entries)
}

/// Deletes the oldest settled entries of tenants that have more than `limit` entries. Tenants without settled entries are left out, so
/// that ten of them do not take the place of others.
async fn free_entries(connection: &mut PgConnection, limit: i64) -> Result<bool, sqlx::Error> {
    let query = "WITH large AS (SELECT tenant, sum(entries)::bigint - $1 AS excess FROM started_use GROUP BY tenant \
                   HAVING sum(entries) > $1 \
                   AND EXISTS (SELECT 1 FROM started WHERE started.tenant = started_use.tenant AND state <> 0) LIMIT 10), \
                 old AS (SELECT id FROM large, LATERAL (SELECT id FROM started WHERE started.tenant = large.tenant \
                   AND state <> 0 ORDER BY started LIMIT least(large.excess, $2)) oldest), \
                 chosen AS (SELECT started.id FROM started JOIN old USING (id) FOR UPDATE OF started SKIP LOCKED) \
                 DELETE FROM started USING chosen WHERE started.id = chosen.id";
    let query = sqlx::query(query).bind(limit).bind(i64::try_from(MAX_DELETED_ROWS).unwrap_or(i64::MAX));
    Ok(query.execute(connection).await?.rows_affected() > 0)
}

/// Rows that one statement deletes at most, so that it holds its locks only for a short time.
const MAX_DELETED_ROWS: u64 = 250;
