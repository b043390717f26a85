//! Changes of many events. Each statement looks at one page of them at most, as in a file: it must end long before its
//! timeout, and no row must be locked for long.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder};

use super::filter::push_filter;
use crate::{Filter, Millis, PAGE, Progress, State, now};

/// The last id of the page of a filter; none where there is no such page.
async fn page_end(
    connection: &mut PgConnection,
    filter: &Filter,
    after: i64,
) -> Result<Option<i64>, sqlx::Error> {
    if filter.uid.is_some() {
        return Ok((after < i64::MAX).then_some(i64::MAX));
    }
    let mut query = QueryBuilder::<Engine>::new("SELECT max(id) FROM (SELECT id FROM event WHERE ");
    query.push(match filter.state {
        Some(State::Dead) => "state = 2 AND ",
        Some(State::Parked) => "state = 3 AND ",
        Some(State::Waiting | State::Delivered) | None => "",
    });
    query.push("id > ").push_bind(after).push(" ORDER BY id LIMIT ").push(PAGE).push(") page");
    query.build_query_scalar().fetch_one(connection).await
}

/// Makes the events of the next page waiting that fit.
/// A try that is under way goes on, and its result stands: another one beside it would deliver the event twice.
pub(super) async fn replay(
    connection: &mut PgConnection,
    filter: &Filter,
    per_second: i64,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    let Some(last) = page_end(connection, filter, progress.after).await? else { return Ok(progress) };
    let mut query = QueryBuilder::<Engine>::new("WITH picked AS (SELECT id FROM event WHERE id > ");
    push_picked(&mut query, filter, progress, last);
    query.push(
        "), chosen AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM picked) UPDATE event SET state = 0, \
         attempts = 0, refusals = 0, held = 0, done = NULL, dead_reason = NULL, since = now(), \
         epoch = epoch + CASE WHEN state = 0 AND leased_until > now() THEN 0 ELSE 1 END, \
         leased_until = CASE WHEN state = 0 AND leased_until > now() THEN leased_until END, due = now() + (",
    );
    query.push("(place + ").push_bind(progress.changed).push(") * 1000 / ").push_bind(per_second.max(1));
    query.push(") * interval '1 millisecond' FROM chosen WHERE event.id = chosen.id");
    Ok(progress.at(last, query.build().execute(connection).await?.rows_affected()))
}

/// Gives the events of the next page up that fit.
pub(super) async fn discard(
    connection: &mut PgConnection,
    filter: &Filter,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    let Some(last) = page_end(connection, filter, progress.after).await? else { return Ok(progress) };
    let mut query =
        QueryBuilder::<Engine>::new("WITH chosen AS (SELECT id FROM event WHERE state IN (0, 3) AND id > ");
    push_picked(&mut query, filter, progress, last);
    query.push(
        ") UPDATE event SET state = 2, epoch = epoch + 1, dead_reason = 'discarded', done = now() \
         FROM chosen WHERE event.id = chosen.id AND event.state IN (0, 3)",
    );
    Ok(progress.at(last, query.build().execute(connection).await?.rows_affected()))
}

fn push_picked(query: &mut QueryBuilder<Engine>, filter: &Filter, progress: Progress, last: i64) {
    query.push_bind(progress.after).push(" AND id <= ").push_bind(last).push(" AND ");
    push_filter(query, filter);
    // Locked, so that they still fit when they are changed.
    query.push(" ORDER BY id FOR UPDATE");
}

/// Makes those due that wait because of their portal, the first ones first.
pub(super) async fn pull_forward(connection: &mut PgConnection, tenant: &str) -> Result<bool, sqlx::Error> {
    let query = "UPDATE event SET due = now(), held = 0 WHERE id IN (SELECT id FROM event WHERE state = 0 \
                 AND held = 1 AND tenant = $1 AND due > now() ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED)";
    Ok(sqlx::query(query).bind(tenant).bind(PAGE).execute(connection).await?.rows_affected() > 0)
}

/// Takes up what was parked for want of one of these keys, and says whether there was any.
pub(super) async fn unpark(connection: &mut PgConnection, keys: &[i64]) -> Result<bool, sqlx::Error> {
    let query = "UPDATE event SET state = 0, epoch = epoch + 1, leased_until = NULL, done = NULL, dead_reason = NULL, \
                 since = now(), due = now() WHERE id IN (SELECT id FROM event WHERE state = 3 \
                 AND dead_reason = 'unknown_key' AND key_id = ANY($1) LIMIT $2 FOR UPDATE SKIP LOCKED)";
    Ok(sqlx::query(query).bind(keys).bind(PAGE).execute(connection).await?.rows_affected() > 0)
}

/// The database may have gone over to another machine, whose clock is behind. Tenant by tenant, so that where nothing
/// lies too far ahead, nothing is looked at.
pub(super) async fn clamp(connection: &mut PgConnection, latest: Millis) -> Result<bool, sqlx::Error> {
    let ahead = latest.saturating_sub(now());
    let query = "WITH RECURSIVE name(tenant) AS (\
                   SELECT min(tenant) FROM event WHERE state = 0 \
                   UNION ALL \
                   SELECT (SELECT min(tenant) FROM event WHERE state = 0 AND tenant > name.tenant) FROM name \
                   WHERE name.tenant IS NOT NULL), \
                 late AS (SELECT late.id FROM name, LATERAL (SELECT id FROM event WHERE state = 0 \
                   AND event.tenant = name.tenant AND due > now() + $1 * interval '1 millisecond' LIMIT $2) late LIMIT $2) \
                 UPDATE event SET due = now() + $1 * interval '1 millisecond' WHERE id IN (SELECT id FROM event \
                   WHERE id IN (SELECT id FROM late) AND state = 0 FOR UPDATE SKIP LOCKED)";
    Ok(sqlx::query(query).bind(ahead).bind(PAGE).execute(connection).await?.rows_affected() > 0)
}
