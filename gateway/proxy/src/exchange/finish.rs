//! The end of an exchange: the logging phase, metrics, spans and the access line, exactly once.
//!
//! An exchange can end anywhere: a task is dropped when its HTTP/2 stream is reset, and a plugin may panic. So the record is
//! written by the `Drop` of what holds the exchange, unless [`finish`] wrote it before.

use std::ops::{Deref, DerefMut};

use kyc_model::{ProblemKind, TraceContext};
use kyc_plugin_api::{Caller, Outcome};
use kyc_telemetry::AccessRecord;
use pingora::protocols::http::ServerSession;

use super::spans;
use super::state::Exchange;
use crate::access_log::{self, CLIENT_CLOSED_REQUEST};

/// An exchange that is recorded wherever it ends.
pub(super) struct LoggedExchange(Exchange);

// === impl LoggedExchange ===

impl LoggedExchange {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self(exchange)
    }
}

impl Deref for LoggedExchange {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        &self.0
    }
}

impl DerefMut for LoggedExchange {
    fn deref_mut(&mut self) -> &mut Exchange {
        &mut self.0
    }
}

impl Drop for LoggedExchange {
    fn drop(&mut self) {
        if !self.response.is_recorded {
            finish_aborted(self);
        }
    }
}

/// Runs the logging phase of a finished exchange, counts and logs it.
pub(super) fn finish(session: &ServerSession, exchange: &mut Exchange) {
    let status = session
        .response_written()
        // A caller that left after a 100 has no response.
        .filter(|head| !head.status.is_informational())
        .map_or(CLIENT_CLOSED_REQUEST, |head| head.status.as_u16());
    let outcome = Outcome {
        status,
        code: exchange.problem.map(ProblemKind::code),
        duration: exchange.response.duration.unwrap_or_else(|| exchange.started.elapsed()),
        upstream_duration: exchange.upstream.duration,
        request_bytes: session.body_bytes_read() as u64,
        response_bytes: session.body_bytes_sent() as u64,
    };
    exchange.route.chains.logging(&outcome, &exchange.cx);
    write_record(exchange, &outcome);
}

/// Does the same for an aborted exchange. After a panic the logging phase does not run, because a plugin may have caused the
/// panic.
fn finish_aborted(exchange: &mut Exchange) {
    // In `Drop` during an unwind: the panic is of this task.
    let panics = std::thread::panicking();
    let outcome = Outcome {
        status: exchange.response.status.unwrap_or(if panics { 500 } else { CLIENT_CLOSED_REQUEST }),
        code: if panics {
            Some(ProblemKind::Internal.code())
        } else {
            exchange.problem.map(ProblemKind::code)
        },
        duration: exchange.response.duration.unwrap_or_else(|| exchange.started.elapsed()),
        upstream_duration: exchange.upstream.duration,
        request_bytes: exchange.request_body.bytes(),
        response_bytes: exchange.response.bytes,
    };
    if !panics {
        exchange.route.chains.logging(&outcome, &exchange.cx);
    }
    write_record(exchange, &outcome);
}

fn write_record(exchange: &mut Exchange, outcome: &Outcome) {
    // First, so that a panic below does not record the exchange twice.
    exchange.response.is_recorded = true;
    spans::end(exchange, outcome);
    let caller = Caller::of(&exchange.cx).map(Caller::label).unwrap_or_default();
    let connection = exchange.cx.connection();
    let record = AccessRecord {
        request_id: exchange.request_id.to_str().unwrap_or_default(),
        caller_request_id: exchange.caller_request_id.as_ref().and_then(|id| id.to_str().ok()),
        route: &exchange.route.name,
        tenant: exchange.tenant(),
        caller: &caller,
        peer: connection.peer,
        listener: &connection.listener,
        method: exchange.method,
        operation: exchange.cx.operation(),
        status: outcome.status,
        code: outcome.code.unwrap_or_default(),
        trace: exchange.span.context().filter(TraceContext::is_sampled),
        duration: outcome.duration,
        upstream_duration: outcome.upstream_duration,
        request_bytes: outcome.request_bytes,
        response_bytes: outcome.response_bytes,
    };
    access_log::record(&exchange.route.metrics, &record);
    let operation = exchange.cx.target().and_then(|target| target.operation.as_ref());
    if let (Some(operation), Some(duration)) = (operation, outcome.upstream_duration) {
        operation.duration.observe(duration.as_secs_f64());
    }
}

/// Logs the problem that ended a request: a refused caller at level info, because that is not an error of the gateway.
pub(super) fn log_problem(exchange: &Exchange, kind: ProblemKind, detail: &str) {
    let request_id = exchange.cx.request_id();
    let (route, tenant, code) = (exchange.route.name.as_str(), exchange.tenant(), kind.code());
    match kind {
        ProblemKind::BadRequest
        | ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::RouteNotFound
        | ProblemKind::TenantNotFound
        | ProblemKind::MethodNotAllowed
        | ProblemKind::RequestTimeout
        | ProblemKind::BodyTooLarge
        | ProblemKind::UnsupportedMediaType
        | ProblemKind::ExpectationFailed
        | ProblemKind::HeaderTooLarge
        | ProblemKind::RateLimited => {
            tracing::info!(%request_id, route, tenant, code, error = detail, "request refused");
        }
        ProblemKind::UpstreamUnreachable
        | ProblemKind::UpstreamError
        | ProblemKind::UpstreamTimeout
        | ProblemKind::Overloaded
        | ProblemKind::Unavailable
        | ProblemKind::Internal => {
            tracing::error!(%request_id, route, tenant, code, error = detail, "request failed");
        }
    }
}

/// Logs that the upstream refused the tenant's credential, which may be wrong or revoked.
pub(super) fn log_credential_refused(exchange: &Exchange, status: u16) {
    tracing::error!(
        request_id = %exchange.cx.request_id(), tenant = exchange.tenant(), status,
        "the upstream refused the tenant's credential"
    );
}
