//! The state of one request, from hook to hook.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use kyc_model::{ClientCertificate, Problem, ProblemKind, RequestId, Tenant, TenantTable, TraceContext};
use pingora_http::RequestHeader;
use smallvec::SmallVec;

use crate::target::Target;
use crate::wait::Wait;

/// The state of one request, shared by the plugins of its route.
#[derive(Debug)]
pub struct Ctx {
    request_id: RequestId,
    connection: Connection,
    tenants: Option<Arc<TenantTable>>,
    params: Params,
    tenant: Option<Arc<Tenant>>,
    operation: &'static str,
    target: Option<Target>,
    body: Option<BodyBuffering>,
    response: Option<ResponseBuffering>,
    outlasts_caller: bool,
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
    /// The client certificate of the peer, if it sent one and the listener verified it.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// The values of the placeholders in the route's path, as they stand in the request: not percent-decoded.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// All names and values in one string: one allocation per request.
    text: String,
    /// Where each name and each value ends.
    ends: SmallVec<[(usize, usize); 2]>,
}

/// The limits within which a request body is buffered for plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBuffering {
    /// The largest body in bytes; a larger one is answered 413.
    pub limit: usize,
    /// The longest time until the body is complete; a slower one is answered 408. The limits of the listener apply, too.
    pub within: Option<Duration>,
}

/// The limits within which the body of a response is buffered for plugins. What is larger or slower is forwarded as it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseBuffering {
    /// The number of bytes after which no more is buffered.
    pub limit: usize,
    /// The longest time from the head.
    pub within: Duration,
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
            operation: "",
            target: None,
            body: None,
            response: None,
            outlasts_caller: false,
            trace: None,
            wait: None,
            extensions: Extensions::new(),
        }
    }

    /// Returns the id of this request.
    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Returns the connection of this request.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sets the connection; the gateway calls it once.
    pub fn set_connection(&mut self, connection: Connection) {
        self.connection = connection;
    }

    /// Returns the tenants as they were when the request began.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unavailable`] until a document is loaded.
    pub fn tenants(&self) -> Result<&TenantTable, Problem> {
        self.tenants
            .as_deref()
            .ok_or_else(|| Problem::new(ProblemKind::Unavailable, "no tenant document is loaded yet"))
    }

    /// Returns the placeholders of the route's path.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Sets the placeholders; the gateway calls it once, after routing.
    pub fn set_params(&mut self, params: Params) {
        self.params = params;
    }

    /// Returns the tenant, if a plugin has found it.
    pub fn tenant(&self) -> Option<&Arc<Tenant>> {
        self.tenant.as_ref()
    }

    /// Sets the tenant.
    pub fn set_tenant(&mut self, tenant: Arc<Tenant>) {
        self.tenant = Some(tenant);
    }

    /// Returns the name of the operation for the access line; empty if no plugin has set it.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Sets the name of the operation. It must come from a list: the log must have no path of a request.
    pub fn set_operation(&mut self, operation: &'static str) {
        self.operation = operation;
    }

    /// Returns the upstream, if a plugin has chosen it.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Returns the upstream, which may be changed until it is connected.
    pub fn target_mut(&mut self) -> Option<&mut Target> {
        self.target.as_mut()
    }

    /// Chooses the upstream.
    pub fn set_target(&mut self, target: Target) {
        self.target = Some(target);
    }

    /// Requests that the body is buffered and passed to [`crate::Plugin::request_body_filter`]. If several plugins request it,
    /// the smallest limits apply.
    pub fn buffer_body(&mut self, buffering: BodyBuffering) {
        let BodyBuffering { limit, within } = buffering;
        self.body = Some(self.body.map_or(buffering, |known| BodyBuffering {
            limit: known.limit.min(limit),
            within: known.within.into_iter().chain(within).min(),
        }));
    }

    /// Returns the limits of the buffered body, if a plugin requested it.
    pub fn body_buffering(&self) -> Option<BodyBuffering> {
        self.body
    }

    /// Requests, in [`crate::Plugin::response_filter`], that the body is passed to [`crate::Plugin::buffered_response_filter`] before the
    /// caller gets the response.
    pub fn buffer_response(&mut self, buffering: ResponseBuffering) {
        self.response = Some(buffering);
    }

    /// Removes and returns the limits of a buffered response; the gateway calls it once.
    pub fn take_response_buffering(&mut self) -> Option<ResponseBuffering> {
        self.response.take()
    }

    /// Requests that the response is read even if the caller leaves after the whole request was sent.
    pub fn outlast_caller(&mut self) {
        self.outlasts_caller = true;
    }

    /// Returns whether a plugin needs the response of a caller that has left.
    pub fn outlasts_caller(&self) -> bool {
        self.outlasts_caller
    }

    /// Delays the request, after the `request_filter` of all plugins, until `what` completes; a problem ends the request.
    /// Several waits run in sequence.
    pub fn wait_for(&mut self, what: impl Future<Output = Result<(), Problem>> + Send + 'static) {
        self.wait = Some(Wait::behind(self.wait.take(), what));
    }

    /// Removes and returns the wait; the gateway calls it once.
    pub fn take_wait(&mut self) -> Option<impl Future<Output = Result<(), Problem>> + Send + use<>> {
        self.wait.take().map(Wait::into_future)
    }

    /// Returns the trace context for calls on behalf of this request: the gateway's span, or the `traceparent` of the caller's `head`
    /// if no spans are recorded.
    pub fn trace(&self, head: &RequestHeader) -> Option<TraceContext> {
        self.trace.clone().or_else(|| TraceContext::from_headers(&head.headers))
    }

    /// Sets the span; the gateway calls it once.
    pub fn set_trace(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    /// Values that plugins pass to each other, by type.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Values that plugins pass to each other, by type, which may be changed.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}

// === impl Params ===

impl Params {
    /// Returns the value of the placeholder `name`.
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
        let mut params = Self { text: String::with_capacity(CAPACITY), ends: SmallVec::new() };
        for (key, value) in pairs {
            params.text.push_str(key.as_ref());
            let middle = params.text.len();
            params.text.push_str(value.as_ref());
            params.ends.push((middle, params.text.len()));
        }
        params
    }
}

/// The capacity in bytes for the names and values; enough for most requests.
const CAPACITY: usize = 128;

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
