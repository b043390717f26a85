//! Commands that change many events, such as replay and discard. Each statement reads at most one page of rows (`PAGE`), so
//! that notifications and results are committed between two pages.

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite as Engine};

use super::filter::push_filter;
use crate::{Filter, Millis, PAGE, Progress, State};

/// The index from which the pages of a filter are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageIndex {
    /// All events, by row id.
    All,
    /// Dead events, by row id.
    Dead,
    /// Parked events, by row id.
    Parked,
    /// One event, by its uid.
    One,
}

// === impl PageIndex ===

impl PageIndex {
    /// Chooses the index that contains the fewest other events.
    pub(super) fn of(filter: &Filter) -> Self {
        match (filter.uid, filter.state) {
            (Some(_), _) => Self::One,
            (None, Some(State::Dead)) => Self::Dead,
            (None, Some(State::Parked)) => Self::Parked,
            (None, Some(State::Waiting | State::Delivered) | None) => Self::All,
        }
    }

    /// Returns the table with an index hint. Without the hint SQLite may choose the index by tenant, and would read all
    /// events of the tenant for each page.
    fn source(self) -> &'static str {
        match self {
            Self::All => "event NOT INDEXED",
            Self::Dead => "event INDEXED BY event_dead",
            Self::Parked => "event INDEXED BY event_parked",
            Self::One => "event",
        }
    }

    /// Selects the last row id of a page; [`push_page_limit`] completes the query.
    pub(super) fn select_last(self) -> QueryBuilder<Engine> {
        let mut query = QueryBuilder::new("SELECT max(id) FROM (SELECT id FROM ");
        query.push(self.source()).push(" WHERE ");
        query.push(match self {
            Self::All | Self::One => "",
            Self::Dead => "state = 2 AND ",
            Self::Parked => "state = 3 AND ",
        });
        query
    }

    /// Returns the last row id of the page after `after`; `None` when no rows are left.
    pub(super) async fn last_id(
        self,
        connection: &mut SqliteConnection,
        after: i64,
    ) -> Result<Option<i64>, sqlx::Error> {
        // One event is one page, which ends at the highest row id; no page follows.
        if self == Self::One {
            return Ok((after < i64::MAX).then_some(i64::MAX));
        }
        let mut query = self.select_last();
        push_page_limit(&mut query, after);
        query.build_query_scalar().fetch_one(connection).await
    }
}

/// Completes the query of [`PageIndex::select_last`].
pub(super) fn push_page_limit(query: &mut QueryBuilder<Engine>, after: i64) {
    query.push("id > ").push_bind(after).push(" ORDER BY id LIMIT ").push(PAGE).push(")");
}

/// Makes the events of the next page that match the filter waiting again. Their due times are spread by `per_second`.
pub(super) async fn replay(
    connection: &mut SqliteConnection,
    filter: &Filter,
    now: Millis,
    per_second: i64,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    let Some(last) = PageIndex::of(filter).last_id(connection, progress.after).await? else {
        return Ok(progress);
    };
    let done = replay_page(filter, now, per_second, progress, last).build().execute(connection).await?;
    Ok(progress.at(last, done.rows_affected()))
}

/// Builds the statement of [`replay`] for the page that ends with the row `last`.
pub(super) fn replay_page(
    filter: &Filter,
    now: Millis,
    per_second: i64,
    progress: Progress,
    last: i64,
) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new("WITH matching AS (SELECT id FROM ");
    push_selection(&mut query, filter, progress, last);
    query.push(
        "), chosen AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM matching) \
         UPDATE event SET state = 0, attempts = 0, refusals = 0, held = 0, done_ms = NULL, dead_reason = NULL, \
         since_ms = ",
    );
    query.push_bind(now).push(", due_ms = ").push_bind(now).push(" + (place + ").push_bind(progress.changed);
    query.push(") * 1000 / ").push_bind(per_second.max(1)).push(" FROM chosen WHERE event.id = chosen.id");
    query
}

/// Discards the waiting and parked events of the next page that match the filter; they are never delivered.
pub(super) async fn discard(
    connection: &mut SqliteConnection,
    filter: &Filter,
    now: Millis,
    progress: Progress,
) -> Result<Progress, sqlx::Error> {
    let Some(last) = PageIndex::of(filter).last_id(connection, progress.after).await? else {
        return Ok(progress);
    };
    let done = discard_page(filter, now, progress, last).build().execute(connection).await?;
    Ok(progress.at(last, done.rows_affected()))
}

/// Builds the statement of [`discard`] for the page that ends with the row `last`.
pub(super) fn discard_page(
    filter: &Filter,
    now: Millis,
    progress: Progress,
    last: i64,
) -> QueryBuilder<Engine> {
    let mut query = QueryBuilder::new("UPDATE event SET state = 2, dead_reason = 'discarded', done_ms = ");
    query.push_bind(now).push(" WHERE id IN (SELECT id FROM ");
    push_selection(&mut query, filter, progress, last);
    query.push(" AND state IN (0, 3))");
    query
}

/// Appends the table and the conditions that select the matching events of a page.
fn push_selection(query: &mut QueryBuilder<Engine>, filter: &Filter, progress: Progress, last: i64) {
    query.push(PageIndex::of(filter).source()).push(" WHERE id > ").push_bind(progress.after);
    query.push(" AND id <= ").push_bind(last).push(" AND ");
    push_filter(query, filter);
}

/// Makes events due that wait because of their portal. The earliest come first; the caller repeats the command until none
/// is left.
pub(super) const MAKE_DUE: &str = "UPDATE event SET due_ms = ?1, held = 0 WHERE id IN (SELECT id FROM event WHERE state = 0 AND held = 1 \
     AND tenant = ?2 AND due_ms > ?1 ORDER BY due_ms LIMIT ?3)";

/// Searches the index tenant by tenant, so that the statement reads no event of a tenant whose due times are all earlier.
pub(super) const LIMIT_DUE_TIMES: &str = "WITH RECURSIVE name(tenant) AS (\
       SELECT min(tenant) FROM event WHERE state = 0 \
       UNION ALL \
       SELECT (SELECT min(tenant) FROM event WHERE state = 0 AND tenant > name.tenant) FROM name \
       WHERE name.tenant IS NOT NULL) \
     UPDATE event SET due_ms = ?1 WHERE id IN (SELECT late.id FROM name CROSS JOIN event AS late INDEXED BY event_due \
     ON late.tenant = name.tenant WHERE late.state = 0 AND late.due_ms > ?1 LIMIT ?2)";

/// Makes events waiting again that were parked because their encryption key was missing.
pub(super) const UNPARK: &str = "UPDATE event SET state = 0, done_ms = NULL, dead_reason = NULL, since_ms = ?1, due_ms = ?1 \
     WHERE id IN (SELECT id FROM event INDEXED BY event_unknown_key WHERE state = 3 AND dead_reason = 'unknown_key' \
     AND key_id IN (SELECT value FROM json_each(?2)) LIMIT ?3)";
