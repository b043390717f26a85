//! Forgets what is old.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder};

use super::filter::push_time;
use super::usage::add_up;
use crate::store::Sweep;

/// Says whether there may be more to forget.
pub(super) async fn sweep(connection: &mut PgConnection, old: Sweep) -> Result<bool, sqlx::Error> {
    let events = [("state = 1 AND done < ", Some(old.delivered)), ("state = 2 AND done < ", old.dead)];
    let mut is_more = false;
    for (which, before) in events {
        let Some(before) = before else { continue };
        let mut query =
            QueryBuilder::<Engine>::new("DELETE FROM event WHERE id IN (SELECT id FROM event WHERE ");
        query.push(which);
        push_time(&mut query, before);
        query.push(" LIMIT ").push(SWEPT).push(" FOR UPDATE SKIP LOCKED)");
        is_more |= query.build().execute(&mut *connection).await?.rows_affected() >= SWEPT;
    }
    // After the events, whose keys go there.
    let mut query =
        QueryBuilder::<Engine>::new("DELETE FROM seen WHERE dedup IN (SELECT dedup FROM seen WHERE at < ");
    push_time(&mut query, old.keys);
    query.push(" LIMIT ").push(SWEPT).push(" FOR UPDATE SKIP LOCKED)");
    is_more |= query.build().execute(&mut *connection).await?.rows_affected() >= SWEPT;
    add_up(connection).await?;
    Ok(is_more)
}

/// Rows that are forgotten at a time.
const SWEPT: u64 = 1000;
