//! The admin page of audit records: lists them, newest first, in pages.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{Method, Response, StatusCode};
use kyc_events::{AuditEntry, AuditError, AuditLog};
use kyc_plugin_api::AdminPages;
use serde_json::{Map, Value};

use crate::api::answers::{error_answer, json_answer};
use crate::api::audit_messages::{AuditRecord, AuditRecords, ListAuditRecords};
use crate::audit::record::{self, time};

/// `/audit`.
pub struct AuditPages {
    log: Arc<dyn AuditLog>,
    /// The names of recorded operations; a filter for another name is refused.
    operations: Vec<&'static str>,
}

/// Selects records; an absent field excludes none.
#[derive(Debug, Default, PartialEq, Eq)]
struct RecordFilter {
    /// Members of the record that must have these values.
    members: Vec<(&'static str, String)>,
    /// At or after this time.
    since: Option<String>,
    /// Before this time.
    until: Option<String>,
    /// Before this record.
    before: Option<i64>,
    limit: usize,
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error("{0}")]
    Parameter(String),
    #[error(transparent)]
    Store(#[from] AuditError),
    #[error("no such path")]
    Path,
    #[error("use GET; audit records cannot be changed")]
    Method,
}

// === impl AuditPages ===

impl fmt::Debug for AuditPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditPages").finish_non_exhaustive()
    }
}

impl AuditPages {
    /// Lists the records of `log`. `operations` are the names of recorded operations.
    pub fn new(log: Arc<dyn AuditLog>, operations: Vec<&'static str>) -> Self {
        Self { log, operations }
    }

    async fn list(&self, query: &str) -> Result<AuditRecords, PageError> {
        let filter = RecordFilter::parse(query, &self.operations)?;
        let (mut found, mut scanned, mut next) = (Vec::new(), 0, None);
        let mut take = |entry: AuditEntry| {
            if scanned == MAX_SCANNED {
                next = Some(entry.seq + 1);
                return false;
            }
            scanned += 1;
            let record = parse(&entry);
            if !filter.has(&record) {
                return true;
            }
            if found.len() == filter.limit {
                next = Some(entry.seq + 1);
                return false;
            }
            found.push(shown(&entry, record));
            true
        };
        self.log.scan_back(filter.before, &mut take).await?;
        Ok(AuditRecords { records: found, before: next })
    }
}

#[async_trait]
impl AdminPages for AuditPages {
    fn name(&self) -> &'static str {
        "audit"
    }

    async fn answer(&self, method: &Method, path: &str, query: &str) -> Response<Vec<u8>> {
        let answer = match (method, path) {
            (&Method::GET, "") => self.list(query).await,
            (_, "") => Err(PageError::Method),
            _ => Err(PageError::Path),
        };
        match answer {
            Ok(records) => json_answer(StatusCode::OK, &records),
            Err(error) => error_answer(error.status(), &error.to_string()),
        }
    }

    fn describe(&self) -> Value {
        // It is part of this program; a test reads it.
        serde_json::from_str(include_str!("audit.openapi.json")).unwrap_or_default()
    }
}

// === impl RecordFilter ===

impl RecordFilter {
    /// Parses a query. A filter that cannot match any record is an error: an empty list would look like "nothing was changed".
    fn parse(query: &str, operations: &[&str]) -> Result<Self, PageError> {
        let mut request = ListAuditRecords::default();
        for (name, value) in record::filter(query).map_err(|error| wrong(error.to_string()))? {
            let field =
                request.field(&name).ok_or_else(|| wrong(format!("`{name}` is no parameter of this")))?;
            *field = Some(value.as_str().unwrap_or_default().to_owned());
        }
        Self::check(request, operations)
    }

    fn check(request: ListAuditRecords, operations: &[&str]) -> Result<Self, PageError> {
        let ListAuditRecords { operator, operation, outcome, since, until, before, limit } = request;
        let one_of = |name: &str, text: &Option<String>, known: &[&str]| {
            let is_known = text.as_deref().is_none_or(|text| known.contains(&text));
            if is_known { Ok(()) } else { Err(wrong(format!("{name} is one of {}", known.join(", ")))) }
        };
        if operator.as_deref().is_some_and(|operator| operator.trim().is_empty()) {
            return Err(wrong("operator is the name of a login".to_owned()));
        }
        one_of("operation", &operation, operations)?;
        one_of("outcome", &outcome, &OUTCOMES)?;
        let before = before.map(|text| text.parse().ok().filter(|before: &i64| *before > 0));
        let limit = limit.map(|text| text.parse().ok().filter(|limit| (1..=LARGEST_LIMIT).contains(limit)));
        let members = [("operator", operator), ("operation", operation), ("outcome", outcome)];
        let filter = Self {
            members: members.into_iter().filter_map(|(name, text)| Some((name, text?))).collect(),
            since: since.map(|text| instant("since", &text)).transpose()?,
            until: until.map(|text| instant("until", &text)).transpose()?,
            before: before
                .map(|before| before.ok_or_else(|| wrong("before is the number of a record".to_owned())))
                .transpose()?,
            limit: match limit {
                Some(limit) => {
                    limit.ok_or_else(|| wrong(format!("limit is a number from 1 to {LARGEST_LIMIT}")))?
                }
                None => DEFAULT_LIMIT,
            },
        };
        if let (Some(since), Some(until)) = (&filter.since, &filter.until)
            && since >= until
        {
            return Err(wrong(format!("since ({since}) is not before until ({until})")));
        }
        Ok(filter)
    }

    fn has(&self, record: &Map<String, Value>) -> bool {
        let text = |member: &str| record.get(member).and_then(Value::as_str).unwrap_or_default();
        self.members.iter().all(|(member, filter)| text(member) == filter)
            && self.since.as_deref().is_none_or(|since| text("at") >= since)
            && self.until.as_deref().is_none_or(|until| text("at") < until)
    }
}

// === impl PageError ===

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Parameter(_) => StatusCode::BAD_REQUEST,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

fn wrong(reason: String) -> PageError {
    PageError::Parameter(reason)
}

/// Parses a record; empty for one that is damaged, which `audit verify` reports.
fn parse(entry: &AuditEntry) -> Map<String, Value> {
    serde_json::from_str(&entry.record).unwrap_or_default()
}

fn shown(entry: &AuditEntry, record: Map<String, Value>) -> AuditRecord {
    let mut shown = Map::new();
    shown.insert("seq".to_owned(), entry.seq.into());
    shown.extend(record);
    shown.insert("hash".to_owned(), entry.hash.clone().into());
    AuditRecord(shown)
}

/// Parses a time, or a duration before now, into the format of records.
fn instant(name: &str, text: &str) -> Result<String, PageError> {
    let at = match humantime::parse_duration(text) {
        Ok(ago) => SystemTime::now().checked_sub(ago),
        Err(_) => humantime::parse_rfc3339_weak(text).ok(),
    };
    // Times before 1970 or after 9999 have no text in this format.
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    match at.filter(|at| (SystemTime::UNIX_EPOCH..=latest).contains(at)) {
        Some(at) => Ok(time(at)),
        None => Err(PageError::Parameter(format!(
            "{name} is a time such as 2026-11-24T10:00:00Z, or 2h for two hours ago"
        ))),
    }
}

/// The outcomes of records, by name.
pub const OUTCOMES: [&str; 4] = ["begun", "done", "failed", "denied"];
const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 1000;
/// How many entries one request scans at most; the answer has the cursor for the rest.
const MAX_SCANNED: usize = 20_000;

#[cfg(test)]
mod tests;
