//! Forgets what is old.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::{Share, Sweep};

/// Says whether there may be more to forget.
pub(super) async fn sweep(connection: &mut SqliteConnection, old: Sweep) -> Result<bool, sqlx::Error> {
    let steps = [
        (DELIVERED, Some(old.delivered)),
        (DEAD, old.dead),
        // After the events, whose keys go there.
        (KEYS, Some(old.keys)),
    ];
    let mut has_other_changes = false;
    for (query, before) in steps {
        if let Some(before) = before {
            let done = sqlx::query(query).bind(before).bind(SWEPT).execute(&mut *connection).await?;
            has_other_changes |= i64::try_from(done.rows_affected()).is_ok_and(|rows| rows >= SWEPT);
        }
    }
    Ok(has_other_changes)
}

/// Forgets the delivered ones among the oldest events of each tenant that uses most of its share, and its oldest keys
/// where those take more than their part. Says whether there may be more.
pub(super) async fn shrink(connection: &mut SqliteConnection, share: Share) -> Result<bool, sqlx::Error> {
    let most = share.most();
    let query = "SELECT tenant FROM event_use WHERE bytes > ?1 OR events > ?2 LIMIT 10";
    let tenants: Vec<String> =
        sqlx::query_scalar(query).bind(most.bytes).bind(most.events).fetch_all(&mut *connection).await?;
    let mut has_other_changes = false;
    for tenant in tenants {
        let done = sqlx::query(OLDEST).bind(tenant).bind(SWEPT).execute(&mut *connection).await?;
        has_other_changes |= done.rows_affected() > 0;
    }
    let query = "SELECT tenant, keys - ?1 FROM event_use WHERE keys > ?1 LIMIT 10";
    for row in sqlx::query(query).bind(share.keys()).fetch_all(&mut *connection).await? {
        let (tenant, excess): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        let done =
            sqlx::query(OLDEST_KEYS).bind(tenant).bind(excess.min(SWEPT)).execute(&mut *connection).await?;
        has_other_changes |= done.rows_affected() > 0;
    }
    Ok(has_other_changes)
}

pub(super) const DELIVERED: &str = "DELETE FROM event WHERE id IN \
     (SELECT id FROM event INDEXED BY event_done WHERE state = 1 AND done_ms < ?1 LIMIT ?2)";
pub(super) const DEAD: &str = "DELETE FROM event WHERE id IN \
     (SELECT id FROM event INDEXED BY event_ended WHERE state = 2 AND done_ms < ?1 LIMIT ?2)";
pub(super) const KEYS: &str =
    "DELETE FROM seen WHERE dedup IN (SELECT dedup FROM seen WHERE at_ms < ?1 LIMIT ?2)";
/// However many of a tenant's events wait, only so many are looked at.
pub(super) const OLDEST: &str = "DELETE FROM event WHERE state = 1 AND id IN \
     (SELECT id FROM event WHERE tenant = ?1 ORDER BY received_ms LIMIT ?2)";
pub(super) const OLDEST_KEYS: &str =
    "DELETE FROM seen WHERE dedup IN (SELECT dedup FROM seen WHERE tenant = ?1 ORDER BY at_ms LIMIT ?2)";

/// Rows that are forgotten at a time.
const SWEPT: i64 = 100;
