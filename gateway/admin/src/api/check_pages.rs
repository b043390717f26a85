//! The admin pages of started checks: list, show, gaps.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, Response, StatusCode};
use kyc_events::{Cursor, EventStore, LedgerEntry, LedgerFilter, LedgerState, SubjectKind, now};
use kyc_model::Correlation;
use kyc_plugin_api::AdminPages;
use serde_json::Value;

use super::answers::{error_answer, json_answer};
use super::check_messages::{CheckDetails, CheckDetailsList, CheckEntry, CheckList, ResultEntry};
use super::event_messages::Query;
use super::stored_events::{Refusal, bad, moment, time, unavailable};

/// Answers requests about started checks.
#[derive(Debug)]
pub struct CheckPages {
    store: Arc<EventStore>,
}

// === impl CheckPages ===

impl CheckPages {
    /// Creates the pages of the ledger in this store.
    pub fn new(store: Arc<EventStore>) -> Self {
        Self { store }
    }

    async fn read(&self, path: &str, query: Query) -> Result<Response<Vec<u8>>, Refusal> {
        match path {
            "" => Ok(json_answer(StatusCode::OK, &self.list(query).await?)),
            "/gaps" => Ok(json_answer(StatusCode::OK, &self.gaps(query).await?)),
            path => {
                query.end().map_err(bad)?;
                Ok(json_answer(StatusCode::OK, &self.show(path.trim_start_matches('/')).await?))
            }
        }
    }

    async fn list(&self, mut query: Query) -> Result<CheckList, Refusal> {
        let filter = filter(&mut query)?;
        let limit = limit(&mut query)?;
        let after = query.text("after").map(|text| {
            Cursor::parse(&text).ok_or_else(|| bad("after must be the `next` of an earlier list".to_owned()))
        });
        query.end().map_err(bad)?;
        let found = self.store.reader().await.ledger_list(&filter, after.transpose()?, limit + 1).await;
        let found = found.map_err(|error| unavailable(&error))?;
        let last = found.get(limit.wrapping_sub(1)).filter(|_| found.len() > limit);
        let next = last.map(|last| Cursor { received: last.started, id: last.id }.to_string());
        Ok(CheckList { checks: found.iter().take(limit).map(check).collect(), more: next.is_some(), next })
    }

    /// Lists the open checks that are overdue for at least `over`, oldest first.
    async fn gaps(&self, mut query: Query) -> Result<CheckList, Refusal> {
        let over = query.text("over").map(|text| {
            let over = humantime::parse_duration(&text).ok();
            over.and_then(|over| i64::try_from(over.as_millis()).ok())
                .ok_or_else(|| bad("over is a duration such as 1h".to_owned()))
        });
        let (tenant, limit) = (query.text("tenant"), limit(&mut query)?);
        query.end().map_err(bad)?;
        let before = now().saturating_sub(over.transpose()?.unwrap_or_default());
        let filter = LedgerFilter { tenant, overdue_before: Some(before), ..LedgerFilter::default() };
        let found = self.store.reader().await.ledger_oldest(&filter, limit + 1).await;
        let found = found.map_err(|error| unavailable(&error))?;
        let checks = found.iter().take(limit).map(check).collect();
        Ok(CheckList { checks, more: found.len() > limit, next: None })
    }

    async fn show(&self, id: &str) -> Result<CheckDetailsList, Refusal> {
        let filter = LedgerFilter { subject: Some(id.to_owned()), ..LedgerFilter::default() };
        let found = self.store.reader().await.ledger_list(&filter, None, MAX_SHOWN).await;
        let found = found.map_err(|error| unavailable(&error))?;
        if found.is_empty() {
            let reason = "the ledger has no check, workflow run or report with this id";
            return Err((StatusCode::NOT_FOUND, reason.to_owned()));
        }
        let details = |entry: &LedgerEntry| CheckDetails { check: check(entry), results: results(entry) };
        Ok(CheckDetailsList { checks: found.iter().map(details).collect() })
    }
}

#[async_trait]
impl AdminPages for CheckPages {
    fn name(&self) -> &'static str {
        "checks"
    }

    async fn answer(&self, method: &Method, path: &str, query: &str) -> Response<Vec<u8>> {
        if method != Method::GET {
            return error_answer(StatusCode::METHOD_NOT_ALLOWED, "use GET: the ledger is read only");
        }
        match self.read(path, Query::parse(query)).await {
            Ok(response) => response,
            Err((status, reason)) => error_answer(status, &reason),
        }
    }

    fn describe(&self) -> Value {
        // It is part of this program; a test reads it.
        serde_json::from_str(OPENAPI).unwrap_or_default()
    }
}

/// Parses the selection of a list.
fn filter(query: &mut Query) -> Result<LedgerFilter, Refusal> {
    let state = query.text("state").map(|text| {
        let names = LedgerState::ALL.map(LedgerState::name).join(", ");
        LedgerState::named(&text).ok_or_else(|| bad(format!("state is one of {names}")))
    });
    let kind = query.text("kind").map(|text| {
        let named = SubjectKind::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| bad("kind is check or workflow_run".to_owned()))
    });
    let since = moment("since", query.text("since"))?;
    let until = moment("until", query.text("until"))?;
    let (tenant, applicant) = (query.text("tenant"), query.text("applicant"));
    if [&tenant, &applicant].into_iter().flatten().any(|value| value.contains('\0')) {
        return Err(bad("a value contains a NUL character".to_owned()));
    }
    Ok(LedgerFilter {
        tenant,
        state: state.transpose()?,
        kind: kind.transpose()?,
        applicant,
        since,
        until,
        ..LedgerFilter::default()
    })
}

fn limit(query: &mut Query) -> Result<usize, Refusal> {
    Ok(query.number("limit").map_err(bad)?.unwrap_or(DEFAULT_LIMIT).min(LARGEST_LIMIT))
}

fn check(entry: &LedgerEntry) -> CheckEntry {
    let is_open = entry.state == LedgerState::Open;
    CheckEntry {
        id: entry.subject.clone(),
        kind: entry.kind.name().to_owned(),
        tenant: entry.owner.tenant.clone(),
        applicant: entry.applicant.clone(),
        state: entry.state.name().to_owned(),
        started: time(entry.started),
        overdue: time(entry.overdue),
        next_lookup: is_open.then(|| time(entry.due)),
        lookups: entry.lookups,
        error: entry.error.clone(),
        settled: entry.settled.map(time),
        request_id: Correlation::parse(&entry.trace).request_id,
    }
}

fn results(entry: &LedgerEntry) -> Vec<ResultEntry> {
    let own = entry.kind.name();
    let result = |result: &kyc_events::LedgerResult| ResultEntry {
        id: result.subject.clone(),
        kind: if result.is_report { "report" } else { own }.to_owned(),
        state: result.state.name().to_owned(),
        settled: result.settled.map(time),
    };
    entry.results.iter().map(result).collect()
}

const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 1000;
/// Tenants that share an Onfido account may have an entry with the same id each.
const MAX_SHOWN: usize = 100;
const OPENAPI: &str = include_str!("checks.openapi.json");
