//! Asks Onfido what became of a check or workflow run.
//!
//! One look-up makes at most two calls: for a check, and for its reports. A report can be complete before its check is; its
//! notification can be lost just the same, so reports are looked at while the check goes on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use kyc_events::{LedgerEntry, LedgerState, SubjectKind, now};
use kyc_model::Tenant;
use kyc_onfido_client::{OnfidoClient, OnfidoError};
use serde::Deserialize;

use crate::backoff::is_deleted;
use crate::found::{Completed, ResultKind};
use crate::wanted::Wanted;

/// The resources of tenants' Onfido accounts.
#[async_trait]
pub(crate) trait Resources: Send + Sync + 'static {
    /// Reads a resource, or a list with a query, under the tenant's credential.
    async fn find(
        &self,
        tenant: &Tenant,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Bytes, OnfidoError>;
}

/// What Onfido says about an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Results that were to be notified.
    Found {
        /// The bodies of the notifications.
        events: Vec<Bytes>,
        /// Whether no more results are to come.
        is_complete: bool,
    },
    /// There will be no result.
    Ended(LedgerState),
}

/// A look-up, and how many calls it took.
#[derive(Debug)]
pub(crate) struct LookUp {
    pub(crate) answer: Result<Answer, OnfidoError>,
    pub(crate) calls: u32,
}

/// The members of a check or workflow run that matter here.
#[derive(Deserialize)]
struct Resource {
    status: Option<String>,
    updated_at: Option<String>,
}

#[derive(Deserialize)]
struct Reports {
    reports: Vec<Report>,
}

#[derive(Deserialize)]
struct Report {
    id: String,
    status: Option<String>,
}

#[async_trait]
impl Resources for OnfidoClient {
    async fn find(
        &self,
        tenant: &Tenant,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Bytes, OnfidoError> {
        Self::find(self, tenant, path, query).await
    }
}

// === impl LookUp ===

impl LookUp {
    /// Asks Onfido under the tenant's credential. `wanted` says which results the tenant takes.
    pub(crate) async fn make(
        resources: &dyn Resources,
        tenant: &Tenant,
        entry: &LedgerEntry,
        wanted: &Wanted,
    ) -> Self {
        let mut calls = 1;
        let answer = match entry.kind {
            SubjectKind::Check => check(resources, tenant, entry, wanted, &mut calls).await,
            SubjectKind::WorkflowRun => workflow_run(resources, tenant, entry, wanted).await,
        };
        let answer = match answer {
            Err(OnfidoError::Path) => Ok(Answer::Ended(LedgerState::Deleted)),
            Err(OnfidoError::NotFound)
                if is_deleted(now().saturating_sub(entry.started), entry.missing + 1) =>
            {
                Ok(Answer::Ended(LedgerState::Deleted))
            }
            // Onfido says so of what belongs to an applicant that was deleted.
            Err(OnfidoError::Gone) => Ok(Answer::Ended(LedgerState::Erased)),
            answer => answer,
        };
        Self { answer, calls }
    }
}

async fn check(
    resources: &dyn Resources,
    tenant: &Tenant,
    entry: &LedgerEntry,
    wanted: &Wanted,
    calls: &mut u32,
) -> Result<Answer, OnfidoError> {
    let body = resources.find(tenant, &["checks", &entry.subject], &[]).await?;
    let check: Resource = parse(&body)?;
    let is_complete = match check.status.as_deref() {
        Some("complete") => true,
        Some("withdrawn") => return Ok(Answer::Ended(LedgerState::Withdrawn)),
        // `in_progress`, `awaiting_applicant`, `paused`, `reopened`, and what Onfido may add.
        Some(_) | None => false,
    };
    let now = iso8601(SystemTime::now());
    // The store recognises a report that the ledger does not know by its body alone, which therefore has no time of the look-up.
    let overdue = UNIX_EPOCH + Duration::from_millis(u64::try_from(entry.overdue).unwrap_or_default());
    let stable = iso8601(overdue);
    let is_known = |report: &str| entry.results.iter().any(|result| result.subject == report);
    let mut events = Vec::new();
    if wanted.takes(tenant, ResultKind::Report) {
        *calls += 1;
        let body = resources.find(tenant, &["reports"], &[("check_id", &entry.subject)]).await?;
        let Reports { reports } = parse(&body)?;
        let has = |state: &str| reports.iter().all(|report| report.status.as_deref() == Some(state));
        if !reports.is_empty() && has("cancelled") {
            return Ok(Answer::Ended(LedgerState::Cancelled));
        }
        if !reports.is_empty() && has("withdrawn") {
            return Ok(Answer::Ended(LedgerState::Withdrawn));
        }
        for report in &reports {
            if report.status.as_deref() == Some("complete") && is_open(entry, &report.id) {
                let (kind, status) = (ResultKind::Report, "complete");
                let at = if is_known(&report.id) { &now } else { &stable };
                let found = Completed { kind, id: &report.id, status, at, resource: None };
                events.push(found.notification(tenant).ok_or(OnfidoError::Malformed)?);
            }
        }
    }
    if is_complete && wanted.takes(tenant, ResultKind::Check) && is_open(entry, &entry.subject) {
        let (kind, status) = (ResultKind::Check, "complete");
        let found = Completed { kind, id: &entry.subject, status, at: &now, resource: None };
        events.push(found.notification(tenant).ok_or(OnfidoError::Malformed)?);
    }
    Ok(Answer::Found { events, is_complete })
}

async fn workflow_run(
    resources: &dyn Resources,
    tenant: &Tenant,
    entry: &LedgerEntry,
    wanted: &Wanted,
) -> Result<Answer, OnfidoError> {
    let body = resources.find(tenant, &["workflow_runs", &entry.subject], &[]).await?;
    let run: Resource = parse(&body)?;
    let status = run.status.as_deref().unwrap_or_default();
    let is_complete = matches!(status, "approved" | "declined" | "review" | "abandoned" | "error");
    let mut events = Vec::new();
    if is_complete && wanted.takes(tenant, ResultKind::WorkflowRun) {
        // It changes last when it is completed.
        let at = run.updated_at.clone().unwrap_or_else(|| iso8601(SystemTime::now()));
        let (kind, id) = (ResultKind::WorkflowRun, entry.subject.as_str());
        let found = Completed { kind, id, status, at: &at, resource: Some(&body) };
        events.push(found.notification(tenant).ok_or(OnfidoError::Malformed)?);
    }
    Ok(Answer::Found { events, is_complete })
}

/// Returns whether the result with this id is still awaited. A report that the ledger does not know is awaited, too.
fn is_open(entry: &LedgerEntry, subject: &str) -> bool {
    entry
        .results
        .iter()
        .find(|result| result.subject == subject)
        .is_none_or(|result| result.state == LedgerState::Open)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, OnfidoError> {
    // The error of the parser can quote the body.
    serde_json::from_slice(body).map_err(|_| OnfidoError::Malformed)
}

fn iso8601(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests;
