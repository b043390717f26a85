//! Changes of many events. Each write looks at one page of them at most, so that notifications and results come in between.

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite as Engine};

use super::filter::push_filter;
use crate::{Filter, Millis, PAGE, Progress, State};

/// Which index the pages of a filter are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pages {
    /// All events by their ids.
    All,
    Dead,
    Parked,
    /// One event by its uid.
    One,
}

// === impl Pages ===

impl Pages {
    pub(super) fn of(filter: &Filter) -> Self {
        match (filter.uid, filter.state) {
            (Some(_), _) => Self::One,
            (None, Some(State::Dead)) => Self::Dead,
            (None, Some(State::Parked)) => Self::Parked,
            (None, Some(State::Waiting | State::Delivered) | None) => Self::All,
        }
    }

    /// The events, to be read by that index and no other: another one may lead to all events of a tenant.
    fn source(self) -> &'static str {
        match self {
            Self::All => "event NOT INDEXED",
            Self::Dead => "event INDEXED BY event_dead",
            Self::Parked => "event INDEXED BY event_parked",
            Self::One => "event",
        }
    }

    /// Selects the last id of the page behind an id.
    pub(super) fn last(self) -> QueryBuilder<Engine> {
        let mut query = QueryBuilder::new("SELECT max(id) FROM (SELECT id FROM ");
        query.push(self.source()).push(" WHERE ");
        query.push(match self {
            Self::All | Self::One => "",
            Self::Dead => "state = 2 AND ",
            Self::Parked => "state = 3 AND ",
        });
        query
    }

    /// The last id of the page behind `after`; none where there is no such page.
    pub(super) async fn end(
        self,
        connection: &mut SqliteConnection,
        after: i64,
    ) -> Result<Option<i64>, sqlx::Error> {
        if self == Self::One {
            return Ok((after < i64::MAX).then_some(i64::MAX));
        }
        let mut query = self.last();
        push_page(&mut query, after);
        query.build_query_scalar().fetch_one(connection).await
    }
}

/// Behind the start of [`Pages::last`].
pub(super) fn push_page(query: &mut QueryBuilder<Engine>, after: i64) {
    query.push("id > ").push_bind(after).push(" ORDER BY id LIMIT ").push(PAGE).push(")");
}

/// Makes the events of the next page waiting that fit.
pub(super) async fn replay(
    connection: &mut SqliteConnection,
    filter: &Filter,
    now: Millis,
    per_second: i64,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    let Some(last) = Pages::of(filter).end(connection, progress.after).await? else { return Ok(progress) };
    let done = replay_page(filter, now, per_second, progress, last).build().execute(connection).await?;
    Ok(progress.at(last, done.rows_affected()))
}

pub(super) fn replay_page(
    filter: &Filter,
    now: Millis,
    per_second: i64,
    progress: Progress,
    last: i64,
) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new("WITH picked AS (SELECT id FROM ");
    push_picked(&mut query, filter, progress, last);
    query.push(
        "), chosen AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM picked) \
         UPDATE event SET state = 0, attempts = 0, refusals = 0, held = 0, done_ms = NULL, dead_reason = NULL, \
         since_ms = ",
    );
    query.push_bind(now).push(", due_ms = ").push_bind(now).push(" + (place + ").push_bind(progress.changed);
    query.push(") * 1000 / ").push_bind(per_second.max(1)).push(" FROM chosen WHERE event.id = chosen.id");
    query
}

/// Gives the events of the next page up that fit.
pub(super) async fn discard(
    connection: &mut SqliteConnection,
    filter: &Filter,
    now: Millis,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    let Some(last) = Pages::of(filter).end(connection, progress.after).await? else { return Ok(progress) };
    let done = discard_page(filter, now, progress, last).build().execute(connection).await?;
    Ok(progress.at(last, done.rows_affected()))
}

pub(super) fn discard_page(
    filter: &Filter,
    now: Millis,
    progress: Progress,
    last: i64,
) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new("UPDATE event SET state = 2, dead_reason = 'discarded', done_ms = ");
    query.push_bind(now).push(" WHERE id IN (SELECT id FROM ");
    push_picked(&mut query, filter, progress, last);
    query.push(" AND state IN (0, 3))");
    query
}

fn push_picked(query: &mut QueryBuilder<Engine>, filter: &Filter, progress: Progress, last: i64) {
    query.push(Pages::of(filter).source()).push(" WHERE id > ").push_bind(progress.after);
    query.push(" AND id <= ").push_bind(last).push(" AND ");
    push_filter(query, filter);
}

/// Those that are due first come first: all are due in the end.
pub(super) const PULL_FORWARD: &str = "UPDATE event SET due_ms = ?1, held = 0 WHERE id IN (SELECT id FROM event WHERE state = 0 AND held = 1 \
     AND tenant = ?2 AND due_ms > ?1 ORDER BY due_ms LIMIT ?3)";

/// Tenant by tenant, so that where nothing lies too far ahead, nothing is looked at.
pub(super) const CLAMP: &str = "WITH RECURSIVE name(tenant) AS (\
       SELECT min(tenant) FROM event WHERE state = 0 \
       UNION ALL \
       SELECT (SELECT min(tenant) FROM event WHERE state = 0 AND tenant > name.tenant) FROM name \
       WHERE name.tenant IS NOT NULL) \
     UPDATE event SET due_ms = ?1 WHERE id IN (SELECT late.id FROM name CROSS JOIN event AS late INDEXED BY event_due \
     ON late.tenant = name.tenant WHERE late.state = 0 AND late.due_ms > ?1 LIMIT ?2)";

pub(super) const UNPARK: &str = "UPDATE event SET state = 0, done_ms = NULL, dead_reason = NULL, since_ms = ?1, due_ms = ?1 \
     WHERE id IN (SELECT id FROM event INDEXED BY event_unknown_key WHERE state = 3 AND dead_reason = 'unknown_key' \
     AND key_id IN (SELECT value FROM json_each(?2)) LIMIT ?3)";
