//! The settings of the proxy behind one listener.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use kyc_plugin_api::Forwarded;

/// The limits of time and size for downstream connections and bodies.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// How long a connection may stay idle between two requests.
    pub keepalive: Duration,
    /// The total time for a request head, and for the preface of an HTTP/2 connection.
    pub head: Duration,
    /// The time between two reads from downstream.
    pub read: Duration,
    /// The time between two writes to downstream.
    pub write: Duration,
    /// The total time for a body that is buffered before it is forwarded.
    pub body: Duration,
    /// The minimum rate of such a body in bytes per second, after [`ProxySettings::body_grace`]; 0: none.
    pub body_min_rate: u64,
    /// How long such a body may be below its rate.
    pub body_grace: Duration,
    /// The minimum rate of a streamed body in bytes per second; it may be below the rate for [`ProxySettings::read`]; 0: none.
    pub min_rate: u64,
    /// How many control frames a new HTTP/2 connection may send: all frames except those of requests and bodies.
    pub control_frames: u32,
    /// Memory in bytes for all buffered bodies; each route that buffers bodies has an equal part.
    pub buffered_bodies: usize,
    /// The trusted proxies in front, whose `X-Forwarded-For` names the source address that a buffered body counts for; `None`: the
    /// peer's address counts.
    pub forwarded: Option<Arc<Forwarded>>,
    /// The memory in bytes that bodies of one source address (in IPv6 one /64) may use of a route's part; `None`: an eighth of it.
    pub buffered_bodies_per_source: Option<usize>,
    /// The memory in bytes that bodies of one tenant may use of a route's part; `None`: half of it.
    pub buffered_bodies_per_tenant: Option<usize>,
    /// Headers that are never forwarded, on any route: those that plugins read. The proxy removes the standard ones anyway.
    pub private_headers: Vec<HeaderName>,
}

// === impl ProxySettings ===

impl ProxySettings {
    /// Returns how long the gateway reads the rest of a request body whose response is already sent (a lingering close): as long as a read and a
    /// write.
    pub(crate) fn lingering_timeout(&self) -> Duration {
        self.read + self.write
    }
}

/// The largest header block of a request in bytes: with its request line in HTTP/1, as the sum of its fields in HTTP/2.
pub(crate) const MAX_HEAD_SIZE: u32 = 32 * 1024;
