//! Reads the ledger of started checks.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite as Engine};
use uuid::Uuid;

use super::error::store_error;
use super::read::SqliteReader;
use super::rows::read_owner;
use crate::{
    Cursor, LedgerCounts, LedgerEntry, LedgerFilter, LedgerReader, LedgerResult, LedgerState, Millis,
    StoreError, SubjectKind,
};

#[async_trait]
impl LedgerReader for SqliteReader {
    async fn ledger_due(
        &mut self,
        tenant: &str,
        now: Millis,
        limit: usize,
        _lease: Duration,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        // Only this process looks entries up, so they need no claims in the file.
        let mut query = entries();
        query.push(" WHERE state = 0 AND tenant = ").push_bind(tenant.to_owned());
        query
            .push(" AND due_ms <= ")
            .push_bind(now)
            .push(" ORDER BY lookups > 0 OR error IS NOT NULL, due_ms");
        self.entries(query, limit).await
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
            query.push(" AND (started_ms, id) < (").push_bind(before.received).push(", ");
            query.push_bind(before.id).push(")");
        }
        query.push(" ORDER BY started_ms DESC, id DESC");
        self.entries(query, limit).await
    }

    async fn ledger_oldest(
        &mut self,
        filter: &LedgerFilter,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut query = entries();
        push_filter(&mut query, filter);
        query.push(" ORDER BY started_ms, id");
        self.entries(query, limit).await
    }

    async fn ledger_counts(&mut self, now: Millis) -> Result<Vec<LedgerCounts>, StoreError> {
        let mut query = QueryBuilder::new("SELECT tenant, count(*), sum(overdue_ms <= ");
        query.push_bind(now).push("), min(CASE WHEN overdue_ms <= ").push_bind(now);
        query.push(" THEN overdue_ms END), min(due_ms) FROM started WHERE state = 0 GROUP BY tenant");
        let read = |row: &SqliteRow| {
            Ok(LedgerCounts {
                tenant: row.try_get(0)?,
                open: row.try_get(1)?,
                overdue: row.try_get(2)?,
                overdue_since: row.try_get(3)?,
                first_due: row.try_get(4)?,
            })
        };
        let rows = self.rows(query).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| store_error(&error))
    }

    async fn ledger_records(&mut self, after: i64, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut query = entries();
        query.push(" WHERE id > ").push_bind(after).push(" ORDER BY id");
        self.entries(query, limit).await
    }
}

// === impl SqliteReader ===

impl SqliteReader {
    async fn entries(
        &mut self,
        mut query: QueryBuilder<Engine>,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        query.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.rows(query).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| store_error(&error))
    }
}

/// Begins a query that [`read`] reads. The results of an entry are one column, as JSON.
fn entries() -> QueryBuilder<Engine> {
    QueryBuilder::new(
        "SELECT id, tenant, subscription, webhook, 1, kind, subject, applicant, state, started_ms, overdue_ms, due_ms, lookups, \
         error, settled_ms, trace, missing, awaits_itself, (SELECT json_group_array(json_array(subject, is_report, state, settled_ms, hex(event))) FROM \
         (SELECT * FROM started_result WHERE entry = started.id ORDER BY is_report, id)) FROM started",
    )
}

/// Appends the conditions of a filter.
fn push_filter(query: &mut QueryBuilder<Engine>, filter: &LedgerFilter) {
    query.push(" WHERE 1");
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
        query.push(" AND started_ms >= ").push_bind(since);
    }
    if let Some(until) = filter.until {
        query.push(" AND started_ms < ").push_bind(until);
    }
    if let Some(before) = filter.overdue_before {
        query.push(" AND state = 0 AND overdue_ms < ").push_bind(before);
    }
}

fn read(row: &SqliteRow) -> Result<LedgerEntry, sqlx::Error> {
    let results: String = row.try_get(18)?;
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
        lookups: row.try_get(12)?,
        error: row.try_get(13)?,
        settled: row.try_get(14)?,
        trace: row.try_get(15)?,
        missing: row.try_get(16)?,
        awaits_itself: row.try_get(17)?,
        results: read_results(&results),
    })
}

/// Reads the results of an entry: an array of arrays of id, kind, state, time and event.
fn read_results(text: &str) -> Vec<LedgerResult> {
    let results: Vec<[Value; 5]> = serde_json::from_str(text).unwrap_or_default();
    let result = |[subject, is_report, state, settled, event]: [Value; 5]| LedgerResult {
        subject: subject.as_str().unwrap_or_default().to_owned(),
        is_report: is_report.as_i64() == Some(1),
        state: LedgerState::of(state.as_i64().unwrap_or(-1)),
        settled: settled.as_i64(),
        event: event.as_str().and_then(|event| Uuid::try_parse(event).ok()),
    };
    results.into_iter().map(result).collect()
}
