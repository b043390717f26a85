//! The settings of the proxy behind one listener.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use kyc_plugin_api::Forwarded;

/// How long the proxy waits for downstream, and how large bodies may be.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// How long a connection may stay idle between two requests.
    pub keepalive: Duration,
    /// The whole time for a request head, and for the preface of an HTTP/2 connection.
    pub head: Duration,
    /// Between two reads from downstream.
    pub read: Duration,
    /// Between two writes to downstream.
    pub write: Duration,
    /// The whole time for a body that is buffered before it is forwarded.
    pub body: Duration,
    /// Least rate of such a body in bytes per second, after [`ProxySettings::body_grace`]; 0: none.
    pub body_min_rate: u64,
    /// How long such a body may be behind its rate.
    pub body_grace: Duration,
    /// Least rate of a streamed body in bytes per second, which it may be behind by [`ProxySettings::read`]; 0: none.
    pub min_rate: u64,
    /// Control frames that a new HTTP/2 connection may send: all but those of requests and bodies.
    pub control_frames: u32,
    /// Memory in bytes for all buffered bodies; each route that buffers bodies has an equal part.
    pub buffered_bodies: usize,
    /// The trusted proxies in front, whose `X-Forwarded-For` names the source address that a buffered body counts for; `None`: the
    /// peer's address counts.
    pub forwarded: Option<Arc<Forwarded>>,
    /// What one source address (in IPv6 one /64) may take of a route's part; `None`: an eighth of it.
    pub buffered_bodies_per_source: Option<usize>,
    /// What one tenant may take of a route's part; `None`: half of it.
    pub buffered_bodies_per_tenant: Option<usize>,
    /// Headers that no upstream gets, on any route: what plugins and the gateway's own API read. The proxy itself knows the
    /// standard ones.
    pub private_headers: Vec<HeaderName>,
}

// === impl ProxySettings ===

impl ProxySettings {
    /// How long the gateway reads the rest of a request body whose response is already sent (a lingering close): as long as a read and a
    /// write.
    pub(crate) fn lingering_timeout(&self) -> Duration {
        self.read + self.write
    }
}

/// The largest header block of a request in bytes: with its request line in HTTP/1, as the sum of its fields in HTTP/2.
pub(crate) const MAX_HEAD_SIZE: u32 = 32 * 1024;
