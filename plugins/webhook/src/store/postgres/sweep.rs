//! Forgets what is old.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder};

use super::filter::push_time;
use super::usage::add_up;
use crate::store::Sweep;

/// Says whether there may be more to forget.
pub(super) async fn sweep(connection: &mut PgConnection, old: Sweep) -> Result<bool, sqlx::Error> {
    let steps = [
        ("UPDATE event SET dedup = NULL", "dedup IS NOT NULL AND received < ", Some(old.keys)),
        ("DELETE FROM event", "state = 1 AND done < ", Some(old.delivered)),
        ("DELETE FROM event", "state = 2 AND done < ", old.dead),
    ];
    let mut is_more = false;
    for (what, which, before) in steps {
        let Some(before) = before else { continue };
        let mut query = QueryBuilder::<Engine>::new(what);
        query.push(" WHERE id IN (SELECT id FROM event WHERE ").push(which);
        push_time(&mut query, before);
        query.push(" LIMIT ").push(SWEPT).push(" FOR UPDATE SKIP LOCKED)");
        is_more |= query.build().execute(&mut *connection).await?.rows_affected() >= SWEPT;
    }
    add_up(connection).await?;
    Ok(is_more)
}

/// Rows that are forgotten at a time.
const SWEPT: u64 = 1000;
