//! The limits of a listener's connections, and the record of requests that end before the proxy sees them.

use std::net::SocketAddr;
use std::time::Duration;

use kyc_model::{ProblemKind, RequestId};
use kyc_telemetry::{AccessRecord, ConnectionMetrics, Metrics, RouteMetrics};

use crate::access_log::{self, CLIENT_CLOSED_REQUEST};
use crate::response::status as status_of;
use crate::settings::ProxySettings;

/// The limits and metrics that all connections of a listener share.
#[derive(Debug)]
pub(super) struct ConnectionPolicy {
    /// The total time for a request head, and for the preface of HTTP/2.
    pub(super) head_timeout: Duration,
    /// How long an HTTP/1 connection may be idle between two requests.
    pub(super) idle_timeout: Duration,
    /// Control frames that a new HTTP/2 connection may send.
    pub(super) control_frames: u32,
    pub(super) connections: ConnectionMetrics,
    metrics: RouteMetrics,
    listener: String,
}

// === impl ConnectionPolicy ===

impl ConnectionPolicy {
    /// Takes the limits from the settings of the listener.
    pub(super) fn new(settings: &ProxySettings, listener: &str, metrics: &Metrics) -> Self {
        Self {
            head_timeout: settings.head,
            idle_timeout: settings.keepalive,
            control_frames: settings.control_frames,
            connections: metrics.listener(listener),
            metrics: metrics.route(""),
            listener: listener.to_owned(),
        }
    }

    /// Counts and logs a request that ended before it reached the proxy: the guard refused it, Pingora itself answered it, or the
    /// caller disconnected.
    pub(super) fn record_unserved(
        &self,
        refused: Option<(ProblemKind, RequestId)>,
        answered: Option<u16>,
        peer: Option<SocketAddr>,
    ) {
        let kind = refused.map(|(kind, _)| kind).or(match answered {
            Some(405) => Some(ProblemKind::MethodNotAllowed),
            Some(_) => Some(ProblemKind::BadRequest),
            None => None,
        });
        let status = refused.map(|(kind, _)| status_of(kind)).or(answered).unwrap_or(CLIENT_CLOSED_REQUEST);
        let request_id = refused.map_or_else(RequestId::new, |(_, id)| id).to_string();
        let record = AccessRecord {
            request_id: &request_id,
            caller_request_id: None,
            route: "",
            tenant: "",
            caller: "",
            peer,
            listener: &self.listener,
            method: "unread",
            operation: "",
            status,
            code: kind.map_or("", ProblemKind::code),
            trace: None,
            duration: Duration::ZERO,
            upstream_duration: None,
            request_bytes: 0,
            response_bytes: 0,
        };
        access_log::record(&self.metrics, &record);
    }
}
