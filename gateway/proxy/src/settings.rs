//! What the listener side of the proxy can be told.

use std::sync::Arc;
use std::time::Duration;

use kyc_plugin_api::Forwarded;

/// How long the proxy waits for downstream, and how large its bodies may be.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// How long a connection may stay idle between two requests.
    pub keepalive: Duration,
    /// The whole time for a request head, and for what HTTP/2 begins a connection with.
    pub head: Duration,
    /// Between two reads from downstream.
    pub read: Duration,
    /// Between two writes to downstream.
    pub write: Duration,
    /// The whole time for a body that is read before it goes on.
    pub body: Duration,
    /// Bytes a second that such a body must come at, once [`ProxySettings::body_grace`] is over; 0: at any rate.
    pub body_min_rate: u64,
    /// How long such a body may be later than its rate.
    pub body_grace: Duration,
    /// Bytes a second that a body must come at, but for a delay of [`ProxySettings::read`] in all; 0: at any rate.
    pub min_rate: u64,
    /// Frames that a new HTTP/2 connection may send beside requests and bodies.
    pub control_frames: u32,
    /// Bytes that all bodies may take together which are read before they go on; each route that reads bodies has
    /// an equal part.
    pub buffered_bodies: usize,
    /// The proxies in front whose word is taken for where a request comes from, for the shares of addresses; `None`: the
    /// peer counts.
    pub forwarded: Option<Arc<Forwarded>>,
    /// What one address may take of a route's part (one network of 64 bits in IPv6); `None`: an eighth of it.
    pub buffered_bodies_per_source: Option<usize>,
    /// What one tenant may take of a route's part; `None`: half of it.
    pub buffered_bodies_per_tenant: Option<usize>,
}

// === impl ProxySettings ===

impl ProxySettings {
    /// How long the rest of a body may take whose answer is there already: a read and a write.
    pub(crate) fn lingering(&self) -> Duration {
        self.read + self.write
    }
}

/// The largest header block of a request in bytes: with its request line in HTTP/1, as the sum of its fields in HTTP/2.
pub(crate) const MAX_HEAD_SIZE: u32 = 32 * 1024;
