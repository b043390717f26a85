//! What the log and the metrics say about a request at its end.

use std::ops::{Deref, DerefMut};

use kyc_model::{ProblemKind, TraceContext};
use kyc_plugin_api::{Caller, Outcome};
use kyc_telemetry::AccessRecord;
use pingora::protocols::http::ServerSession;

use super::spans;
use super::state::Exchange;
use crate::access_log::{self, CLIENT_GONE};

/// An exchange that is recorded once, wherever it ends: a panic, or a caller who leaves the rest of a body open, drops it
/// before [`record`].
pub(super) struct Recorded(Exchange);

// === impl Recorded ===

impl Recorded {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self(exchange)
    }
}

impl Deref for Recorded {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        &self.0
    }
}

impl DerefMut for Recorded {
    fn deref_mut(&mut self) -> &mut Exchange {
        &mut self.0
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if !self.story.is_told {
            record_broken(self);
        }
    }
}

/// Counts and logs a finished request, and tells the plugins.
pub(super) fn record(session: &ServerSession, exchange: &mut Exchange) {
    let status = session
        .response_written()
        .filter(|head| !head.status.is_informational())
        .map_or(CLIENT_GONE, |head| head.status.as_u16());
    let outcome = Outcome {
        status,
        code: exchange.problem.map(ProblemKind::code),
        duration: exchange.story.took.unwrap_or_else(|| exchange.started.elapsed()),
        upstream_duration: exchange.upstream.duration,
        request_bytes: session.body_bytes_read() as u64,
        response_bytes: session.body_bytes_sent() as u64,
    };
    exchange.route.chains.logging(&outcome, &exchange.cx);
    tell(exchange, &outcome);
}

/// The same for a request whose task ends before it does. Plugins hear nothing of a panic: it may be one of theirs.
fn record_broken(exchange: &mut Exchange) {
    let panics = std::thread::panicking();
    let outcome = Outcome {
        status: exchange.story.status.unwrap_or(if panics { 500 } else { CLIENT_GONE }),
        code: if panics {
            Some(ProblemKind::Internal.code())
        } else {
            exchange.problem.map(ProblemKind::code)
        },
        duration: exchange.story.took.unwrap_or_else(|| exchange.started.elapsed()),
        upstream_duration: exchange.upstream.duration,
        request_bytes: exchange.arrival.bytes(),
        response_bytes: exchange.story.bytes,
    };
    if !panics {
        exchange.route.chains.logging(&outcome, &exchange.cx);
    }
    tell(exchange, &outcome);
}

fn tell(exchange: &mut Exchange, outcome: &Outcome) {
    exchange.story.is_told = true;
    let method = exchange.story.method.unwrap_or("unread");
    spans::end(exchange, method, outcome);
    let caller = Caller::of(&exchange.cx).map(Caller::label).unwrap_or_default();
    let connection = exchange.cx.connection();
    let record = AccessRecord {
        request_id: exchange.request_id.to_str().unwrap_or_default(),
        route: &exchange.route.name,
        tenant: exchange.tenant(),
        caller: &caller,
        peer: connection.peer,
        listener: &connection.listener,
        method,
        status: outcome.status,
        code: outcome.code.unwrap_or_default(),
        trace: exchange.span.context().filter(TraceContext::is_sampled),
        duration: outcome.duration,
        upstream_duration: outcome.upstream_duration,
        request_bytes: outcome.request_bytes,
        response_bytes: outcome.response_bytes,
    };
    access_log::record(&exchange.route.metrics, &record);
}

/// Tells the operator what ended a request. A refused caller is no error of ours.
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

/// Tells the operator that a tenant's token may be wrong.
pub(super) fn log_denied(exchange: &Exchange, status: u16) {
    tracing::error!(
        request_id = %exchange.cx.request_id(), tenant = exchange.tenant(), status,
        "the upstream refused the tenant's credential"
    );
}
