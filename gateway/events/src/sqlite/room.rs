//! Room in a file that must not grow without end. Results of deliveries have to be recorded whatever happens: a result that
//! is lost delivers its event again. So history goes first, then the details of results, and new events are refused long
//! before a result is.

use sqlx::sqlite::SqliteConnection;

use super::file::Sqlite;
use crate::now;

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Ample,
    /// Results come without the portals' answers.
    Scarce,
    /// New events are refused, and results change the event alone.
    Full,
}

// === impl Room ===

impl Room {
    fn of(used: u64, store: &Sqlite) -> Self {
        match used {
            used if used >= store.max_bytes => Self::Full,
            used if used >= store.max_bytes / 5 * 4 => Self::Scarce,
            _ => Self::Ample,
        }
    }
}

/// Forgets delivered events, the oldest first, where a batch finds little room; their keys stay. In a store that is full
/// of keys, the oldest ones of the tenant that has most go.
pub(super) async fn make_room(
    connection: &mut SqliteConnection,
    store: &Sqlite,
    batch: usize,
) -> Result<(Room, u64), sqlx::Error> {
    let bytes = used(connection).await?;
    if Room::of(bytes, store) == Room::Ample {
        return Ok((Room::Ample, bytes));
    }
    // More than comes in, and not so many that the batch takes long.
    let limit = i64::try_from(batch).unwrap_or(i64::MAX).saturating_mul(2).max(MIN_ROWS);
    sqlx::query(OLDEST_DELIVERED).bind(limit).execute(&mut *connection).await?;
    let bytes = used(connection).await?;
    if Room::of(bytes, store) != Room::Full {
        return Ok((Room::of(bytes, store), bytes));
    }
    forget_keys(connection, limit * KEYS_OF_AN_EVENT).await?;
    let bytes = used(connection).await?;
    Ok((Room::of(bytes, store), bytes))
}

/// Forgets keys of the tenant that has most of them, its oldest ones first; where those are too young, the next one's.
async fn forget_keys(connection: &mut SqliteConnection, mut limit: i64) -> Result<(), sqlx::Error> {
    let query = "SELECT tenant FROM event_use WHERE keys > 0 ORDER BY keys DESC LIMIT 10";
    let tenants: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut *connection).await?;
    for tenant in tenants {
        let done = sqlx::query(OLD_KEYS)
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

/// The bytes that rows take; pages that were freed can be used again.
pub(super) async fn used(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let query = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, \
                 pragma_page_size";
    let bytes: i64 = sqlx::query_scalar(query).fetch_one(connection).await?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

pub(super) const OLDEST_DELIVERED: &str =
    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE state = 1 ORDER BY done_ms LIMIT ?1)";
pub(super) const OLD_KEYS: &str = "DELETE FROM seen WHERE dedup IN \
     (SELECT dedup FROM seen WHERE tenant = ?1 AND at_ms < ?2 ORDER BY at_ms LIMIT ?3)";
/// Rows that a batch forgets where room is scarce, however few events it has.
const MIN_ROWS: i64 = 64;
/// So many keys take about as much room as one event.
const KEYS_OF_AN_EVENT: i64 = 16;
/// Keys that are younger stay, since Onfido may still send their notifications again.
const DAY: i64 = 24 * 3600 * 1000;
