//! Keeps the file below its size limit.
//!
//! Results of deliveries must always be recorded: an event whose result is lost is delivered again. So the store saves
//! space in this order: from 80 % of the limit on, it deletes delivered events and settled entries of the ledger, and stores
//! results without the portals' answers; at the limit, it deletes old deduplication keys and refuses new events. Only results
//! may exceed the limit (`open.rs`).

use sqlx::sqlite::SqliteConnection;

use super::file::Sqlite;
use crate::now;

/// How much space is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// Less than 80 % of the limit is used.
    Ample,
    /// At least 80 % is used: results are stored without the portals' answers.
    Scarce,
    /// The limit is reached: new events are refused, and a result changes its event without an attempt record.
    Full,
}

// === impl Space ===

impl Space {
    fn of(used: u64, store: &Sqlite) -> Self {
        match used {
            used if used >= store.max_bytes => Self::Full,
            used if used >= store.max_bytes / 5 * 4 => Self::Scarce,
            _ => Self::Ample,
        }
    }
}

/// Begins a transaction. Returns the bytes in use, and the highest id of an entry of the ledger.
///
/// `IMMEDIATE` takes the write lock now, and waits for it. A transaction that reads first and writes later can fail without waiting
/// (`SQLITE_BUSY_SNAPSHOT`).
pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(u64, i64), sqlx::Error> {
    let query = "BEGIN IMMEDIATE; SELECT (page_count - freelist_count) * page_size, (SELECT coalesce(max(id), 0) FROM started) \
                 FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let (bytes, last): (i64, i64) = sqlx::query_as(query).fetch_one(connection).await?;
    Ok((u64::try_from(bytes).unwrap_or_default(), last))
}

/// Deletes the oldest delivered events and settled entries of the ledger when space is scarce; the events' deduplication keys
/// stay. When the store is full of keys, deletes the oldest keys of the tenants that have most. `bytes` are in use; returns the
/// space left and the bytes used then.
pub(super) async fn reclaim_space(
    connection: &mut SqliteConnection,
    store: &Sqlite,
    batch: usize,
    bytes: u64,
) -> Result<(Space, u64), sqlx::Error> {
    if Space::of(bytes, store) == Space::Ample {
        return Ok((Space::Ample, bytes));
    }
    // More rows than the batch can add, and few enough for a short batch.
    let limit = i64::try_from(batch).unwrap_or(i64::MAX).saturating_mul(2).max(MIN_DELETED_ROWS);
    sqlx::query(DELETE_OLDEST_DELIVERED).bind(limit).execute(&mut *connection).await?;
    sqlx::query(DELETE_OLDEST_SETTLED).bind(limit).execute(&mut *connection).await?;
    let bytes = used_bytes(connection).await?;
    if Space::of(bytes, store) != Space::Full {
        return Ok((Space::of(bytes, store), bytes));
    }
    delete_oldest_keys(connection, limit * KEYS_PER_EVENT).await?;
    let bytes = used_bytes(connection).await?;
    Ok((Space::of(bytes, store), bytes))
}

/// Deletes the oldest keys of the tenant that has most of them; when those are too young, keys of the next tenant.
async fn delete_oldest_keys(connection: &mut SqliteConnection, mut limit: i64) -> Result<(), sqlx::Error> {
    let query = "SELECT tenant FROM event_use WHERE keys > 0 ORDER BY keys DESC LIMIT 10";
    let tenants: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut *connection).await?;
    for tenant in tenants {
        let done = sqlx::query(DELETE_OLD_KEYS)
            .bind(tenant)
            .bind(now() - DAY)
            .bind(limit)
            .execute(&mut *connection)
            .await?;
        limit -= i64::try_from(done.rows_affected()).unwrap_or(i64::MAX);
        if limit <= 0 {
            break;
        }
    }
    Ok(())
}

/// Returns the bytes in use. Free pages do not count, because SQLite reuses them.
pub(super) async fn used_bytes(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let query = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, \
                 pragma_page_size";
    let bytes: i64 = sqlx::query_scalar(query).fetch_one(connection).await?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

pub(super) const DELETE_OLDEST_DELIVERED: &str =
    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE state = 1 ORDER BY done_ms LIMIT ?1)";
/// Settled entries of the ledger, the oldest starts first. The limit applies to all entries, so that the statement reads few
/// rows even when most are open.
const DELETE_OLDEST_SETTLED: &str = "DELETE FROM started WHERE state <> 0 AND id IN \
     (SELECT id FROM started ORDER BY started_ms LIMIT ?1)";
pub(super) const DELETE_OLD_KEYS: &str = "DELETE FROM seen WHERE dedup IN \
     (SELECT dedup FROM seen WHERE tenant = ?1 AND at_ms < ?2 ORDER BY at_ms LIMIT ?3)";
/// Rows that even a small batch deletes when space is scarce.
const MIN_DELETED_ROWS: i64 = 64;
/// The number of keys that take about as much space as one event.
const KEYS_PER_EVENT: i64 = 16;
/// Younger keys stay, because Onfido may still repeat their notifications. In milliseconds.
const DAY: i64 = 24 * 3600 * 1000;
