//! Commands that change many events, such as replay and discard. Each statement reads at most one page of rows (`PAGE`), so
//! that it ends long before `statement_timeout` and locks no row for long.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres as Engine, QueryBuilder};

use super::filter::push_filter;
use crate::{Filter, Millis, PAGE, Progress, State, now};

/// Returns the last row id of the page after `after`; `None` when no rows are left.
async fn last_id(
    connection: &mut PgConnection,
    filter: &Filter,
    after: i64,
) -> Result<Option<i64>, sqlx::Error> {
    // One event is one page, which ends at the highest row id; no page follows.
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

/// Makes the events of the next page that match the filter waiting again. Their due times are spread by `per_second`.
///
/// An attempt in flight keeps its claim, so that its result is recorded: a second attempt would deliver the event twice.
pub(super) async fn replay(
    connection: &mut PgConnection,
    filter: &Filter,
    per_second: i64,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    let Some(last) = last_id(connection, filter, progress.after).await? else { return Ok(progress) };
    let mut query = QueryBuilder::<Engine>::new("WITH matching AS (SELECT id FROM event WHERE id > ");
    push_selection(&mut query, filter, progress, last);
    query.push(
        "), chosen AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM matching) UPDATE event SET state = 0, \
         attempts = 0, refusals = 0, held = 0, done = NULL, dead_reason = NULL, since = now(), \
         epoch = epoch + CASE WHEN state = 0 AND leased_until > now() THEN 0 ELSE 1 END, \
         leased_until = CASE WHEN state = 0 AND leased_until > now() THEN leased_until END, due = now() + (",
    );
    query.push("(place + ").push_bind(progress.changed).push(") * 1000 / ").push_bind(per_second.max(1));
    query.push(") * interval '1 millisecond' FROM chosen WHERE event.id = chosen.id");
    Ok(progress.at(last, query.build().execute(connection).await?.rows_affected()))
}

/// Discards the waiting and parked events of the next page that match the filter; they are never delivered.
pub(super) async fn discard(
    connection: &mut PgConnection,
    filter: &Filter,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    let Some(last) = last_id(connection, filter, progress.after).await? else { return Ok(progress) };
    let mut query =
        QueryBuilder::<Engine>::new("WITH chosen AS (SELECT id FROM event WHERE state IN (0, 3) AND id > ");
    push_selection(&mut query, filter, progress, last);
    // The new epoch ends the claim of an attempt in flight; `finish` recognizes the attempt by the epoch before.
    query.push(
        ") UPDATE event SET state = 2, epoch = epoch + 1, dead_reason = 'discarded', done = now() \
         FROM chosen WHERE event.id = chosen.id AND event.state IN (0, 3)",
    );
    Ok(progress.at(last, query.build().execute(connection).await?.rows_affected()))
}

/// Appends the conditions that select the matching events of a page.
fn push_selection(query: &mut QueryBuilder<Engine>, filter: &Filter, progress: Progress, last: i64) {
    query.push_bind(progress.after).push(" AND id <= ").push_bind(last).push(" AND ");
    push_filter(query, filter);
    // The lock keeps other gateways from changing the events before this statement does.
    query.push(" ORDER BY id FOR UPDATE");
}

/// Makes events due that wait because of their portal. The earliest come first; the caller repeats the command until none
/// is left.
pub(super) async fn make_due(connection: &mut PgConnection, tenant: &str) -> Result<bool, sqlx::Error> {
    let query = "UPDATE event SET due = now(), held = 0 WHERE id IN (SELECT id FROM event WHERE state = 0 \
                 AND held = 1 AND tenant = $1 AND due > now() ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED)";
    Ok(sqlx::query(query).bind(tenant).bind(PAGE).execute(connection).await?.rows_affected() > 0)
}

/// Makes events waiting again that were parked because their encryption key was missing. Returns whether there were any.
pub(super) async fn unpark(connection: &mut PgConnection, keys: &[i64]) -> Result<bool, sqlx::Error> {
    let query = "UPDATE event SET state = 0, epoch = epoch + 1, leased_until = NULL, done = NULL, dead_reason = NULL, \
                 since = now(), due = now() WHERE id IN (SELECT id FROM event WHERE state = 3 \
                 AND dead_reason = 'unknown_key' AND key_id = ANY($1) LIMIT $2 FOR UPDATE SKIP LOCKED)";
    Ok(sqlx::query(query).bind(keys).bind(PAGE).execute(connection).await?.rows_affected() > 0)
}

/// Lowers due times after `latest`, for instance after a failover to a database server whose clock is behind.
///
/// The query searches the index tenant by tenant, so that it reads no event of a tenant whose due times are all earlier.
pub(super) async fn limit_due_times(
    connection: &mut PgConnection,
    latest: Millis,
) -> Result<bool, sqlx::Error> {
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
