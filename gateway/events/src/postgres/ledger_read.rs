//! Reads the ledger of started checks, and claims the entries to look up.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Postgres as Engine, QueryBuilder, Row};
use uuid::Uuid;

use super::filter::{millis_from_now, push_time, unix_millis};
use super::read::PostgresReader;
use super::rows::read_owner;
use crate::{
    Cursor, LedgerCounts, LedgerEntry, LedgerFilter, LedgerReader, LedgerResult, LedgerState, Millis,
    StoreError, SubjectKind, now,
};

#[async_trait]
impl LedgerReader for PostgresReader {
    async fn ledger_due(
        &mut self,
        tenant: &str,
        _now: Millis,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut query =
            QueryBuilder::new("WITH claimable AS (SELECT id FROM started WHERE state = 0 AND tenant = ");
        query
            .push_bind(tenant.to_owned())
            .push(" AND due <= now() AND (leased_until IS NULL OR leased_until < now()) ORDER BY (lookups > 0 OR error IS NOT NULL), due LIMIT ");
        // Entries that another gateway claims at the same moment are skipped, not waited for.
        query
            .push_bind(limit_of(limit))
            .push(" FOR UPDATE SKIP LOCKED) UPDATE started SET leased_until = now() + ");
        query.push_bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        query.push(" * interval '1 millisecond' FROM claimable WHERE started.id = claimable.id RETURNING ");
        query.push(columns());
        let mut entries = self.fetch(query, true, read).await?;
        entries.sort_by_key(|entry| (entry.lookups > 0 || entry.error.is_some(), entry.due));
        Ok(entries)
    }

    async fn ledger_list(
        &mut self,
        filter: &LedgerFilter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut query = entries();
        push_filter(&mut query, filter);
        if let Some(before) = before {
            query.push(" AND (started, id) < (to_timestamp(").push_bind(before.received);
            query.push("::bigint / 1000.0), ").push_bind(before.id).push(")");
        }
        query.push(" ORDER BY started DESC, id DESC LIMIT ").push_bind(limit_of(limit));
        self.rows(query, read).await
    }

    async fn ledger_oldest(
        &mut self,
        filter: &LedgerFilter,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut query = entries();
        push_filter(&mut query, filter);
        query.push(" ORDER BY started, id LIMIT ").push_bind(limit_of(limit));
        self.rows(query, read).await
    }

    async fn ledger_counts(&mut self, _now: Millis) -> Result<Vec<LedgerCounts>, StoreError> {
        let query = QueryBuilder::new(format!(
            "SELECT tenant, count(*), count(*) FILTER (WHERE overdue <= now()), {}, {} FROM started WHERE state = 0 \
             GROUP BY tenant",
            millis_from_now("(min(overdue) FILTER (WHERE overdue <= now()))"),
            millis_from_now("min(due)")
        ));
        let clock = now();
        let read = |row: &PgRow| {
            let overdue: Option<i64> = row.try_get(3)?;
            Ok(LedgerCounts {
                tenant: row.try_get(0)?,
                open: row.try_get(1)?,
                overdue: row.try_get(2)?,
                overdue_since: overdue.map(|ahead| clock + ahead),
                first_due: clock + row.try_get::<i64, _>(4)?,
            })
        };
        self.rows(query, read).await
    }

    async fn ledger_records(&mut self, after: i64, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut query = entries();
        query.push(" WHERE id > ").push_bind(after).push(" ORDER BY id LIMIT ").push_bind(limit_of(limit));
        self.rows(query, read).await
    }
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The columns that [`read`] reads. The results of an entry are arrays of the same length.
fn columns() -> String {
    let [started, overdue, due, settled] = ["started", "overdue", "due", "started.settled"].map(unix_millis);
    let result = |value: &str| {
        format!(
            "ARRAY(SELECT {value} FROM started_result r WHERE r.entry = started.id ORDER BY r.is_report, r.id)"
        )
    };
    let results =
        ["r.subject", "r.is_report", "r.state", &unix_millis("r.settled"), "r.event"].map(result).join(", ");
    format!(
        "started.id, tenant, subscription, webhook, 1, kind, subject, applicant, state, {started}, {overdue}, {due}, lookups, \
         error, {settled}, trace, missing, awaits_itself, {results}"
    )
}

fn entries() -> QueryBuilder<Engine> {
    QueryBuilder::new(format!("SELECT {} FROM started", columns()))
}

/// Appends the conditions of a filter.
fn push_filter(query: &mut QueryBuilder<Engine>, filter: &LedgerFilter) {
    query.push(" WHERE true");
    for (column, value) in [("tenant", &filter.tenant), ("applicant", &filter.applicant)] {
        if let Some(value) = value {
            query.push(" AND ").push(column).push(" = ").push_bind(value.clone());
        }
    }
    if let Some(state) = filter.state {
        query.push(" AND state = ").push(state.code());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND kind = ").push(kind.code());
    }
    if let Some(subject) = &filter.subject {
        query.push(" AND id IN (SELECT entry FROM started_result WHERE subject = ");
        query.push_bind(subject.clone()).push(")");
    }
    if let Some(since) = filter.since {
        push_time(query.push(" AND started >= "), since);
    }
    if let Some(until) = filter.until {
        push_time(query.push(" AND started < "), until);
    }
    if let Some(before) = filter.overdue_before {
        push_time(query.push(" AND state = 0 AND overdue < "), before);
    }
}

fn read(row: &PgRow) -> Result<LedgerEntry, sqlx::Error> {
    let lookups: i32 = row.try_get(12)?;
    let missing: i64 = row.try_get(16)?;
    let awaits_itself: i64 = row.try_get(17)?;
    Ok(LedgerEntry {
        id: row.try_get(0)?,
        owner: read_owner(row, 1, 2)?,
        kind: SubjectKind::of(row.try_get(5)?),
        subject: row.try_get(6)?,
        applicant: row.try_get(7)?,
        state: LedgerState::of(row.try_get(8)?),
        started: row.try_get(9)?,
        overdue: row.try_get(10)?,
        due: row.try_get(11)?,
        lookups: u32::try_from(lookups).unwrap_or_default(),
        awaits_itself: awaits_itself == 1,
        missing: u32::try_from(missing).unwrap_or_default(),
        error: row.try_get(13)?,
        settled: row.try_get(14)?,
        trace: row.try_get(15)?,
        results: read_results(row)?,
    })
}

fn read_results(row: &PgRow) -> Result<Vec<LedgerResult>, sqlx::Error> {
    let subjects: Vec<String> = row.try_get(18)?;
    let are_reports: Vec<i64> = row.try_get(19)?;
    let states: Vec<i64> = row.try_get(20)?;
    let settled: Vec<Option<i64>> = row.try_get(21)?;
    let events: Vec<Option<Uuid>> = row.try_get(22)?;
    let values = subjects.into_iter().zip(are_reports).zip(states).zip(settled).zip(events);
    let result = |((((subject, is_report), state), settled), event)| LedgerResult {
        subject,
        is_report: is_report == 1,
        state: LedgerState::of(state),
        settled,
        event,
    };
    Ok(values.map(result).collect())
}
