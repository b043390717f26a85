//! Forgets what is old.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder};

use super::filter::push_time;
use super::usage::add_up;
use crate::{Share, Sweep};

/// Says whether there may be more to forget.
pub(super) async fn sweep(connection: &mut PgConnection, old: Sweep) -> Result<bool, sqlx::Error> {
    let events = [("state = 1 AND done < ", Some(old.delivered)), ("state = 2 AND done < ", old.dead)];
    let mut has_other_changes = false;
    for (which, before) in events {
        let Some(before) = before else { continue };
        let mut query =
            QueryBuilder::<Engine>::new("DELETE FROM event WHERE id IN (SELECT id FROM event WHERE ");
        query.push(which);
        push_time(&mut query, before);
        query.push(" LIMIT ").push(SWEPT).push(" FOR UPDATE SKIP LOCKED)");
        has_other_changes |= query.build().execute(&mut *connection).await?.rows_affected() >= SWEPT;
    }
    // After the events, whose keys go there.
    let mut query =
        QueryBuilder::<Engine>::new("DELETE FROM seen WHERE dedup IN (SELECT dedup FROM seen WHERE at < ");
    push_time(&mut query, old.keys);
    query.push(" LIMIT ").push(SWEPT).push(" FOR UPDATE SKIP LOCKED)");
    has_other_changes |= query.build().execute(&mut *connection).await?.rows_affected() >= SWEPT;
    add_up(connection).await?;
    Ok(has_other_changes)
}

/// Forgets the delivered ones among the oldest events of each tenant that uses most of its share, and its oldest keys
/// where those take more than their part. Says whether there may be more.
pub(super) async fn shrink(connection: &mut PgConnection, share: Share) -> Result<bool, sqlx::Error> {
    let most = share.most();
    // However many of its events wait, only so many are looked at.
    let mut query = QueryBuilder::<Engine>::new(
        "WITH large AS (SELECT tenant FROM event_use GROUP BY tenant HAVING sum(bytes) > ",
    );
    query.push_bind(most.bytes).push(" OR sum(events) > ").push_bind(most.events);
    query.push(
        " LIMIT 10), old AS (SELECT id, state FROM large, LATERAL (SELECT id, state FROM event \
           WHERE event.tenant = large.tenant ORDER BY received LIMIT ",
    );
    query.push(SWEPT).push(
        ") oldest), chosen AS (SELECT event.id FROM event JOIN old USING (id) WHERE old.state = 1 \
           AND event.state = 1 FOR UPDATE OF event SKIP LOCKED) \
         DELETE FROM event USING chosen WHERE event.id = chosen.id",
    );
    let events = query.build().execute(&mut *connection).await?.rows_affected();
    let mut query = QueryBuilder::<Engine>::new(
        "WITH large AS (SELECT tenant, sum(keys)::bigint AS keys FROM event_use GROUP BY tenant HAVING sum(keys) > ",
    );
    query.push_bind(share.keys()).push(
        " LIMIT 10), old AS (SELECT dedup FROM large, LATERAL (SELECT dedup FROM seen \
           WHERE seen.tenant = large.tenant ORDER BY at LIMIT least(",
    );
    query.push(SWEPT).push(", large.keys - ").push_bind(share.keys());
    query.push(")) oldest) DELETE FROM seen USING old WHERE seen.dedup = old.dedup");
    let keys = query.build().execute(&mut *connection).await?.rows_affected();
    Ok(events > 0 || keys > 0)
}

/// Rows that are forgotten at a time.
const SWEPT: u64 = 250;
