//! What a request carries from phase to phase.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderName, HeaderValue, Method};
use kyc_model::{
    ClientCertificate, Problem, ProblemKind, RequestId, Tenant, TenantTable, TraceContext, UpstreamBase,
};
use pingora_http::RequestHeader;
use smallvec::SmallVec;

use crate::wait::Wait;

/// The state of one request, shared by the plugins of its route.
#[derive(Debug)]
pub struct Ctx {
    request_id: RequestId,
    connection: Connection,
    tenants: Option<Arc<TenantTable>>,
    params: Params,
    tenant: Option<Arc<Tenant>>,
    target: Option<Target>,
    body: Option<BodyWish>,
    trace: Option<TraceContext>,
    wait: Option<Wait>,
    extensions: Extensions,
}

/// The downstream connection a request came in on.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The peer's address; with a proxy in front, that proxy's.
    pub peer: Option<SocketAddr>,
    /// The listener's name.
    pub listener: Arc<str>,
    /// Whether the listener speaks TLS.
    pub tls: bool,
    /// Who the peer is, where it showed a certificate that the listener's authorities signed and that is valid.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// The values of the placeholders in the route's path, as they stand in the request: not percent-decoded.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// All names and values behind each other: one piece of memory per request.
    text: String,
    /// Where each name and each value ends.
    ends: SmallVec<[(usize, usize); 2]>,
}

/// Where a request goes, and with what credential.
///
/// Base and credential travel together, so that a credential cannot reach another host.
#[derive(Clone, Debug)]
pub struct Target {
    /// The upstream.
    pub base: Arc<UpstreamBase>,
    /// The method there.
    pub method: Method,
    /// The path and query there, complete, in origin form.
    pub path_and_query: String,
    /// The header that the gateway attaches last.
    pub credential: Option<(HeaderName, HeaderValue)>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// How much of the upstream one tenant may use.
    pub limits: UpstreamLimits,
}

/// How much one tenant may ask of one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Calls under way at a time; more are answered 503.
    pub in_flight: usize,
    /// Failures in a row after which it is left alone: not reached, too late, broken off, 502, 503, 504.
    pub failures: u32,
    /// How long it is left alone then, before one call finds out; meanwhile calls are answered 502.
    pub open: Duration,
}

/// How a body that is read whole may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyWish {
    /// Bytes, at most; else 413.
    pub limit: usize,
    /// How long it may take to arrive, else 408; the listener's own limit holds too.
    pub within: Option<Duration>,
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS set-up together.
    pub connect: Duration,
    /// Between two reads of the answer; also from the end of the request to its first byte.
    pub read: Duration,
    /// Between two writes of the request.
    pub write: Duration,
    /// How long an unused connection is kept; shorter than the upstream's own limit.
    pub idle: Duration,
}

// === impl Ctx ===

impl Ctx {
    /// Starts the context of one request; `tenants` is the snapshot it keeps to its end.
    pub fn new(request_id: RequestId, connection: Connection, tenants: Option<Arc<TenantTable>>) -> Self {
        Self {
            request_id,
            connection,
            tenants,
            params: Params::default(),
            tenant: None,
            target: None,
            body: None,
            trace: None,
            wait: None,
            extensions: Extensions::new(),
        }
    }

    /// The id of this request.
    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// The connection it came in on.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Says which connection it came in on; the gateway does it once.
    pub fn set_connection(&mut self, connection: Connection) {
        self.connection = connection;
    }

    /// The tenants as they were when the request began.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unavailable`] while no document was ever loaded.
    pub fn tenants(&self) -> Result<&TenantTable, Problem> {
        self.tenants
            .as_deref()
            .ok_or_else(|| Problem::new(ProblemKind::Unavailable, "no tenant document was loaded yet"))
    }

    /// The placeholders of the route's path.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Sets the placeholders; the gateway does it once, after routing.
    pub fn set_params(&mut self, params: Params) {
        self.params = params;
    }

    /// The tenant, once a plugin has found it.
    pub fn tenant(&self) -> Option<&Arc<Tenant>> {
        self.tenant.as_ref()
    }

    /// Says whose request this is.
    pub fn set_tenant(&mut self, tenant: Arc<Tenant>) {
        self.tenant = Some(tenant);
    }

    /// Where the request goes, once a plugin has said so.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// The same, to be changed until the upstream is connected.
    pub fn target_mut(&mut self) -> Option<&mut Target> {
        self.target.as_mut()
    }

    /// Says where the request goes.
    pub fn set_target(&mut self, target: Target) {
        self.target = Some(target);
    }

    /// Asks that the body be read whole and shown to [`crate::Plugin::request_body_filter`]. Of several wishes
    /// the smallest limits hold.
    pub fn want_body(&mut self, wish: BodyWish) {
        let BodyWish { limit, within } = wish;
        self.body = Some(self.body.map_or(wish, |known| BodyWish {
            limit: known.limit.min(limit),
            within: known.within.into_iter().chain(within).min(),
        }));
    }

    /// What plugins asked for.
    pub fn body_wish(&self) -> Option<BodyWish> {
        self.body
    }

    /// Lets the request go on, after the head phase of all plugins, only when `what` is over; a problem ends it.
    /// Several waits follow each other.
    pub fn wait_for(&mut self, what: impl Future<Output = Result<(), Problem>> + Send + 'static) {
        self.wait = Some(Wait::behind(self.wait.take(), what));
    }

    /// What must be over; the gateway asks once.
    pub fn take_wait(&mut self) -> Option<impl Future<Output = Result<(), Problem>> + Send + use<>> {
        self.wait.take().map(Wait::into_future)
    }

    /// The trace that work for this request belongs to: the gateway's own span, or what the caller's `head` says
    /// while no spans are recorded.
    pub fn trace(&self, head: &RequestHeader) -> Option<TraceContext> {
        self.trace.clone().or_else(|| TraceContext::from_headers(&head.headers))
    }

    /// Says which span this request has; the gateway does it once.
    pub fn set_trace(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    /// Room for what plugins tell each other, by type.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The same, to be changed.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}

// === impl Params ===

impl Params {
    /// The value of the placeholder called `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut begin = 0;
        self.ends.iter().find_map(|&(middle, end)| {
            let (key, value) = (self.text.get(begin..middle)?, self.text.get(middle..end)?);
            begin = end;
            (key == name).then_some(value)
        })
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut params = Self { text: String::with_capacity(LIKELY), ends: SmallVec::new() };
        for (key, value) in pairs {
            params.text.push_str(key.as_ref());
            let middle = params.text.len();
            params.text.push_str(value.as_ref());
            params.ends.push((middle, params.text.len()));
        }
        params
    }
}

/// Names and values of most requests fit into this.
const LIKELY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_by_their_names() {
        let params = Params::from_iter([("a", "one"), ("", ""), ("b", ""), ("path", "x/y")]);

        let values = ["a", "", "b", "path", "one", "c"].map(|name| params.value(name));

        assert_eq!(values, [Some("one"), Some(""), Some(""), Some("x/y"), None, None]);
    }
}
