//! The state of one exchange, from phase to phase.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use kyc_model::{Problem, ProblemKind};
use kyc_plugin_api::Ctx;
use kyc_telemetry::traces::Span;
use kyc_telemetry::{Gauge, Metrics};

use crate::request::{BodyMemory, BodyRateLimit};
use crate::response::Responder;
use crate::routing::CompiledRoute;
use crate::upstream::CallPermit;

/// Counts a request for as long as its exchange lives, also when its task is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

/// One request with its response.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) cx: Ctx,
    pub(crate) route: Arc<CompiledRoute>,
    /// The index of the route's pattern that the path matches.
    pub(crate) pattern: usize,
    pub(crate) started: Instant,
    /// The request id, as it is sent upstream and downstream.
    pub(crate) request_id: HeaderValue,
    /// The caller's own id, for the access line.
    pub(crate) caller_request_id: Option<HeaderValue>,
    /// The method as a label of logs and metrics.
    pub(crate) method: &'static str,
    /// The request body, if it is forwarded while it arrives.
    pub(crate) request_body: BodyRateLimit,
    /// The request body, if it was buffered before the upstream request.
    pub(crate) buffered_body: Option<Bytes>,
    /// The memory of `buffered_body`, which counts for the limits.
    pub(crate) body_memory: Option<BodyMemory>,
    pub(crate) upstream: UpstreamProgress,
    pub(crate) response: ResponseProgress,
    /// The gateway's own refusal or failure, once there is one.
    pub(crate) problem: Option<ProblemKind>,
    /// The request, in the caller's trace.
    pub(crate) span: Span,
    _in_flight: InFlight,
}

/// The progress of the response, which is logged even if the exchange is aborted.
#[derive(Debug, Default)]
pub(crate) struct ResponseProgress {
    /// The status of the upstream's response.
    pub(crate) status: Option<u16>,
    /// How many interim responses came before it.
    pub(crate) interim: u8,
    /// The bytes of its body so far.
    pub(crate) bytes: u64,
    /// The time from the start of the exchange to the end of the response.
    pub(crate) duration: Option<Duration>,
    /// Whether the exchange is counted and logged.
    pub(crate) is_recorded: bool,
}

/// The progress of the upstream request.
#[derive(Debug, Default)]
pub(crate) struct UpstreamProgress {
    /// Whether the exchange has reached the choice of an upstream.
    pub(crate) is_selected: bool,
    pub(crate) attempts: usize,
    /// The start of the latest attempt.
    pub(crate) started: Option<Instant>,
    /// The time from the start of the latest attempt to the response head.
    pub(crate) duration: Option<Duration>,
    /// Whether the response was complete before the request was.
    pub(crate) responded_early: bool,
    /// The permit within the tenant's limits for this upstream.
    pub(crate) permit: Option<CallPermit>,
    /// The value that the source of the target's credential gave.
    pub(crate) credential: Option<HeaderValue>,
    /// The latest attempt, in the caller's trace.
    pub(crate) span: Span,
}

// === impl InFlight ===

impl InFlight {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics.in_flight.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

// === impl ResponseProgress ===

impl ResponseProgress {
    /// Counts an interim response. Each one restarts the read timeout of the upstream, so their number bounds the time of a call.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::UpstreamError`] for the first one that is too many.
    pub(crate) fn count_interim(&mut self) -> Result<(), Problem> {
        self.interim += 1;
        if self.interim > MAX_INTERIM_RESPONSES {
            return Err(Problem::new(
                ProblemKind::UpstreamError,
                "the upstream sent more than 16 interim responses",
            ));
        }
        Ok(())
    }
}

// === impl UpstreamProgress ===

impl UpstreamProgress {
    /// Records the status of the response.
    fn record_status(&mut self, status: u16) {
        self.duration = self.started.map(|started| started.elapsed());
        self.span.set("http.response.status_code", i64::from(status));
        if let Some(permit) = &mut self.permit {
            // These three say that the upstream, or what is behind it, is down; other 5xx concern this request.
            permit.record(!matches!(status, 502..=504));
        }
    }

    /// Records a failure if the upstream caused it. An upstream that does not respond to an incomplete request has not failed.
    pub(crate) fn record_failure(&mut self, kind: ProblemKind, is_request_complete: bool) {
        use ProblemKind::{UpstreamError, UpstreamTimeout, UpstreamUnreachable};
        let is_caused_by_upstream = match kind {
            UpstreamError | UpstreamUnreachable => true,
            UpstreamTimeout => is_request_complete,
            _ => false,
        };
        if let Some(permit) = &mut self.permit
            && is_caused_by_upstream
        {
            permit.record(false);
        }
    }
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn new(cx: Ctx, route: Arc<CompiledRoute>, in_flight: InFlight) -> Self {
        Self {
            route,
            pattern: 0,
            started: Instant::now(),
            request_id: cx.request_id().header_value(),
            caller_request_id: None,
            method: "unread",
            cx,
            request_body: BodyRateLimit::default(),
            buffered_body: None,
            body_memory: None,
            upstream: UpstreamProgress::default(),
            response: ResponseProgress::default(),
            problem: None,
            span: Span::default(),
            _in_flight: in_flight,
        }
    }

    /// Records the head of the upstream's response, and whether it is all of the response.
    pub(crate) fn record_response_head(&mut self, status: u16, is_complete: bool) {
        self.response.status = Some(status);
        self.upstream.record_status(status);
        if is_complete {
            self.finish_response();
        }
    }

    /// Records a piece of the response body.
    pub(crate) fn record_response_body(&mut self, piece: Option<&Bytes>, is_last: bool) {
        self.response.bytes += piece.map_or(0, |piece| piece.len() as u64);
        if is_last {
            self.finish_response();
        }
    }

    /// Ends the upstream's part. The tenant's permit is free from now on, even if the rest of the request has not arrived or the
    /// caller reads slowly.
    fn finish_response(&mut self) {
        self.upstream.permit = None;
        self.response.duration = Some(self.started.elapsed());
        // The write timeout limits a caller that reads slowly.
        if !self.request_body.is_complete() {
            self.upstream.responded_early = true;
        }
    }

    /// Waits as the plugins have requested.
    pub(crate) async fn wait_for_plugins(&mut self) -> Result<(), Problem> {
        match self.cx.take_wait() {
            Some(wait) => wait.await,
            None => Ok(()),
        }
    }

    /// Returns whether a plugin needs the response although the caller has left. Once the response has begun, the plugin has had it.
    pub(crate) fn outlasts_caller(&self) -> bool {
        self.cx.outlasts_caller() && self.response.status.is_none()
    }

    /// Returns the parts of the request that a response needs.
    pub(crate) fn responder(&mut self) -> Responder<'_> {
        Responder { route: &self.route, cx: &mut self.cx, request_id: &self.request_id }
    }

    /// Returns the tenant's name for logs and metrics; empty until it is known.
    pub(crate) fn tenant(&self) -> &str {
        self.cx.tenant().map_or("", |tenant| tenant.name.as_str())
    }
}

/// Onfido sends none; other servers send a 100 and a 103 or two.
const MAX_INTERIM_RESPONSES: u8 = 16;
