//! Notes started checks and workflow runs in the ledger, before the caller learns that they have begun.
//!
//! Onfido tells the result of a check only by a notification. One that is lost leaves no trace, unless the gateway knows that it is
//! to come. So the response to a call that starts a check is kept back until its id is noted; it has a few kilobytes. The ledger waits
//! for a bounded time and never fails: the check has begun, whatever becomes of its note. For the same reason the response is read
//! even if the caller has left.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use kyc_events::{Ledger, LedgerState, Started, SubjectKind, now};
use kyc_model::{Correlation, Problem, ProblemKind};
use kyc_plugin_api::{Build, ConfigErrors, Counter, Ctx, ResponseBuffering, Result};
use kyc_telemetry::names;
use pingora_http::{RequestHeader, ResponseHeader};
use tracing::warn;

use crate::enforcement::{is_encoded, may_be_json};
use crate::started::StartedResource;

/// Notes what the calls of one route start.
pub(crate) struct Notes {
    ledger: Arc<dyn Ledger>,
    encoded: Counter,
    not_json: Counter,
    without_id: Counter,
    status: Counter,
}

/// Marks a call that starts something.
#[derive(Clone, Debug)]
struct Starting {
    kind: SubjectKind,
    correlation: Correlation,
}

// === impl Notes ===

impl Notes {
    /// Returns the notes of a route; `None` if they are off. Without the setting they are on if the gateway has an event store for
    /// other reasons: only notifications settle what is noted.
    ///
    /// # Errors
    ///
    /// A metric that cannot be registered.
    pub(crate) fn build(
        setting: Option<bool>,
        build: &Build<'_>,
    ) -> std::result::Result<Option<Self>, ConfigErrors> {
        let ledger = match setting {
            Some(false) => return Ok(None),
            // Opens the event store.
            Some(true) => build.services.get::<dyn Ledger>().ok(),
            None => build.services.offered::<dyn Ledger>(),
        };
        let Some(ledger) = ledger else {
            if setting == Some(true) {
                build.warnings.add(format!(
                    "route `{}`: started checks are not noted (`ledger`), because events are not stored (`delivery.mode`)",
                    build.route
                ));
            }
            return Ok(None);
        };
        let unread = build.metrics.counter(
            names::LEDGER_UNREAD,
            "Started checks whose response could not be read.",
            &["reason"],
        )?;
        Ok(Some(Self {
            ledger,
            encoded: unread.with(&["encoded"]),
            not_json: unread.with(&["not_json"]),
            without_id: unread.with(&["without_id"]),
            status: unread.with(&["status"]),
        }))
    }

    /// Marks the request if its operation starts something.
    pub(crate) fn request(&self, operation: &str, head: &RequestHeader, cx: &mut Ctx) {
        let kind = match operation {
            "create_check" => SubjectKind::Check,
            "create_workflow_run" => SubjectKind::WorkflowRun,
            _ => return,
        };
        if self.ledger.is_kept() {
            let correlation = Correlation::new(cx.request_id(), cx.trace(head));
            cx.extensions_mut().insert(Starting { kind, correlation });
            cx.outlast_caller();
        }
    }

    /// Asks Onfido for a response without a content coding, which can be read. Every caller accepts that (RFC 9110 §12.5.3).
    ///
    /// # Errors
    ///
    /// None in practice: the value is valid.
    pub(crate) fn upstream_request(head: &mut RequestHeader) -> Result<()> {
        head.insert_header(header::ACCEPT_ENCODING, "identity")
            .map_err(|_| Problem::new(ProblemKind::Internal, "a header value is invalid"))
    }

    /// Keeps the response back if it says that something has begun. All other responses pass.
    pub(crate) fn response(&self, head: &ResponseHeader, cx: &mut Ctx) {
        // Few calls start something, and for the others nothing is looked up here.
        if !head.status.is_success() || !cx.outlasts_caller() || starting(cx).is_none() {
            return;
        }
        // Onfido documents 201 alone; another success may have begun a check all the same.
        let unread = if head.status != StatusCode::CREATED {
            &self.status
        } else if has_no_body(&head.headers) {
            &self.without_id
        } else if is_encoded(&head.headers) {
            &self.encoded
        } else if !may_be_json(&head.headers) {
            &self.not_json
        } else {
            cx.buffer_response(BUFFERING);
            return;
        };
        unread.inc();
        warn_unread(cx);
    }

    /// Notes what has begun, and waits until that is durable or the ledger waits no longer.
    pub(crate) async fn body(&self, body: &Bytes, cx: &Ctx) {
        let (Some(Starting { kind, correlation }), Some(tenant)) = (starting(cx), cx.tenant()) else {
            return;
        };
        let found = StartedResource::read(body);
        let Some(id) = found.id.as_deref().filter(|id| !id.is_empty()) else {
            self.without_id.inc();
            warn_unread(cx);
            return;
        };
        // Onfido answers a synchronous check with its result.
        let state = match found.status.as_deref() {
            Some("complete") => LedgerState::Synchronous,
            Some(_) | None => LedgerState::Open,
        };
        self.ledger
            .note(Started {
                tenant,
                kind: *kind,
                id,
                applicant: found.applicant.as_deref(),
                reports: &found.reports,
                state,
                at: now(),
                correlation,
            })
            .await;
    }
}

impl std::fmt::Debug for Notes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notes").finish_non_exhaustive()
    }
}

fn starting(cx: &Ctx) -> Option<&Starting> {
    cx.extensions().get::<Starting>()
}

/// Returns whether the head says that the response has no body, for which no later phase runs.
fn has_no_body(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0")
}

fn warn_unread(cx: &Ctx) {
    let tenant = cx.tenant().map(|tenant| tenant.name.as_str()).unwrap_or_default();
    warn!(request_id = %cx.request_id(), tenant, "started check is not in the ledger: its response cannot be read");
}

/// A new check has about 1 KiB, a workflow run a few.
const BUFFERING: ResponseBuffering = ResponseBuffering { limit: 64 * 1024, within: Duration::from_secs(10) };

#[cfg(test)]
mod tests;
