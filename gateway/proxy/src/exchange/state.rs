//! One request with its answer, from phase to phase.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use kyc_model::{Problem, ProblemKind};
use kyc_plugin_api::Ctx;
use kyc_telemetry::traces::Span;
use kyc_telemetry::{Gauge, Metrics};

use crate::request::{Arrival, Room};
use crate::response::Responder;
use crate::routing::CompiledRoute;
use crate::upstream::CallPermit;

/// Counts a request for as long as its exchange lives, also when its task is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

/// One request with its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) cx: Ctx,
    pub(crate) route: Arc<CompiledRoute>,
    pub(crate) started: Instant,
    pub(crate) upstream: Upstream,
    /// The request's id as it goes both ways.
    pub(crate) request_id: HeaderValue,
    /// The body as it comes from downstream, when it goes on piece by piece.
    pub(crate) arrival: Arrival,
    /// The body as it goes upstream, when it was read whole.
    pub(crate) body: Option<Bytes>,
    /// The memory that a body read whole takes of what there is for all of them.
    pub(crate) room: Option<Room>,
    /// The gateway's own refusal or failure, once there is one.
    pub(crate) problem: Option<ProblemKind>,
    /// What the log and the metrics must know, whatever becomes of the request.
    pub(crate) story: Story,
    /// The work for the caller, in its trace.
    pub(crate) span: Span,
    _in_flight: InFlight,
}

/// What is said of a request that does not come to its end.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// None before the head was looked at.
    pub(crate) method: Option<&'static str>,
    /// Of the answer, once it has one.
    pub(crate) status: Option<u16>,
    /// Of its body so far.
    pub(crate) bytes: u64,
    /// How long it took to be complete.
    pub(crate) took: Option<Duration>,
    pub(crate) is_told: bool,
}

/// How far the upstream has come.
#[derive(Debug, Default)]
pub(crate) struct Upstream {
    /// Whether the request has come so far that an upstream is chosen.
    pub(crate) is_wanted: bool,
    pub(crate) tries: usize,
    /// Whether its answer was complete before the request was.
    pub(crate) answered_early: bool,
    pub(crate) started: Option<Instant>,
    pub(crate) duration: Option<Duration>,
    /// Of the tenant's limits for this upstream.
    pub(crate) permit: Option<CallPermit>,
    /// The latest try, in the caller's trace.
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

// === impl Upstream ===

impl Upstream {
    /// Notes the status of its answer.
    pub(crate) fn answered(&mut self, status: u16) {
        self.duration = self.started.map(|started| started.elapsed());
        self.span.set("http.response.status_code", i64::from(status));
        if let Some(permit) = &mut self.permit {
            permit.record(!matches!(status, 502..=504));
        }
    }

    /// Notes how the request failed, where the upstream is to blame: it does not answer a body that has not come.
    pub(crate) fn failed(&mut self, kind: ProblemKind, is_body_there: bool) {
        use ProblemKind::{UpstreamError, UpstreamTimeout, UpstreamUnreachable};
        let is_its_fault = match kind {
            UpstreamError | UpstreamUnreachable => true,
            UpstreamTimeout => is_body_there,
            _ => false,
        };
        if let Some(permit) = &mut self.permit
            && is_its_fault
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
            started: Instant::now(),
            request_id: cx.request_id().header_value(),
            upstream: Upstream::default(),
            cx,
            arrival: Arrival::default(),
            body: None,
            room: None,
            problem: None,
            story: Story::default(),
            span: Span::default(),
            _in_flight: in_flight,
        }
    }

    /// Notes the status of the upstream's answer, and whether its head is all of it.
    pub(crate) fn answered(&mut self, status: u16, is_complete: bool) {
        self.story.status = Some(status);
        self.upstream.answered(status);
        if is_complete {
            self.answer_is_complete();
        }
    }

    /// Notes a piece of the answer's body.
    pub(crate) fn passed_on(&mut self, piece: Option<&Bytes>, is_last: bool) {
        self.story.bytes += piece.map_or(0, |piece| piece.len() as u64);
        if is_last {
            self.answer_is_complete();
        }
    }

    /// Notes that the upstream has done its part: the tenant's place there is free, even if the rest of the request
    /// is still to come.
    fn answer_is_complete(&mut self) {
        self.upstream.permit = None;
        self.story.took = Some(self.started.elapsed());
        // Who only reads slowly has the time that writes have.
        if !self.arrival.is_whole() {
            self.upstream.answered_early = true;
        }
    }

    /// Waits for what a plugin asked to wait for.
    pub(crate) async fn wait(&mut self) -> Result<(), Problem> {
        match self.cx.take_wait() {
            Some(wait) => wait.await,
            None => Ok(()),
        }
    }

    /// What a response needs of this request.
    pub(crate) fn responder(&mut self) -> Responder<'_> {
        Responder { route: &self.route, cx: &mut self.cx, request_id: &self.request_id }
    }

    /// The tenant's name for logs and metrics; empty while there is none.
    pub(crate) fn tenant(&self) -> &str {
        self.cx.tenant().map_or("", |tenant| tenant.name.as_str())
    }
}
