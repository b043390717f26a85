//! The upstream of a request.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use kyc_model::UpstreamBase;
use kyc_telemetry::Histogram;

use crate::credential::UpstreamCredential;

/// The upstream of a request, and the credential for it.
///
/// Base and credential are one value, so that a credential cannot be sent to another host.
#[derive(Clone, Debug)]
pub struct Target {
    /// The upstream.
    pub base: Arc<UpstreamBase>,
    /// The method there.
    pub method: Method,
    /// The path and query there, complete, in origin form.
    pub path_and_query: String,
    /// The header that the gateway attaches last.
    pub credential: Option<(HeaderName, UpstreamCredential)>,
    /// The timeouts of this upstream.
    pub timeouts: Timeouts,
    /// The limits of one tenant at this upstream.
    pub limits: UpstreamLimits,
    /// The operation there, if the plugin knows it.
    pub operation: Option<UpstreamOperation>,
}

/// An operation of an upstream's API.
#[derive(Clone, Debug)]
pub struct UpstreamOperation {
    /// Its path with placeholders in braces, below the base URL, for spans; `None` for a path that the API does not describe.
    pub template: Option<&'static str>,
    /// Observes the time until the response head, in seconds.
    pub duration: Histogram,
}

/// The limits of one tenant at one upstream: concurrent calls, and the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// The maximum number of concurrent calls; more are answered 503.
    pub in_flight: usize,
    /// Consecutive failures that open the circuit breaker: unreachable, timeout, connection closed, 502, 503, 504.
    pub failures: u32,
    /// How long the circuit breaker stays open before one call probes the upstream; meanwhile calls are answered 502.
    pub open: Duration,
}

/// The timeouts of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS set-up together.
    pub connect: Duration,
    /// The time between two reads of the answer; also from the end of the request to the first byte.
    pub read: Duration,
    /// The time between two writes of the request.
    pub write: Duration,
    /// How long an unused connection is kept; shorter than the upstream's own limit.
    pub idle: Duration,
}
