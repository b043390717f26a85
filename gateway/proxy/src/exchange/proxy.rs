//! The state that all exchanges of a listener share.

use std::sync::Arc;

use kyc_plugin_api::Ctx;
use kyc_telemetry::Metrics;
use pingora::apps::HttpServerOptions;
use pingora::connectors::ConnectorOptions;
use pingora::protocols::http::v2::server::H2Options;
use tokio::sync::Semaphore;

use crate::request::BodyBuffers;
use crate::routing::RouteTable;
use crate::settings::{MAX_HEAD_SIZE, ProxySettings};
use crate::upstream::{CallLimiters, ConnectionPool, Peers};

/// The reverse proxy behind one listener.
pub struct Proxy {
    pub(super) routes: RouteTable,
    pub(super) new_context: Box<dyn Fn() -> Ctx + Send + Sync>,
    pub(super) metrics: Metrics,
    pub(super) settings: ProxySettings,
    pub(super) protocol: ProtocolOptions,
    pub(super) peers: Peers,
    pub(super) connections: ConnectionPool,
    pub(super) limiters: Arc<CallLimiters>,
    pub(super) buffers: BodyBuffers,
    /// Places of connections that only wait for the rest of a request whose response is sent.
    pub(super) lingering: Semaphore,
}

/// Options of Pingora's sessions and connections.
pub struct ProtocolOptions {
    /// The listener's HTTP/1.1 and HTTP/2 connections.
    pub server: HttpServerOptions,
    /// The limits of HTTP/2 at the listener, except the size of heads, which is the same as for HTTP/1.
    pub http2: H2Options,
    /// The connections to upstreams.
    pub upstream: ConnectorOptions,
}

// === impl Proxy ===

impl Proxy {
    /// Serves `routes`. Each request begins with the context that `new_context` returns, which pins a snapshot of the tenants.
    pub fn new(
        routes: RouteTable,
        new_context: impl Fn() -> Ctx + Send + Sync + 'static,
        metrics: Metrics,
        settings: ProxySettings,
        mut protocol: ProtocolOptions,
        limiters: Arc<CallLimiters>,
    ) -> Self {
        // The header list of HTTP/2 has the same size limit as an HTTP/1.1 head.
        protocol.http2.max_header_list_size(MAX_HEAD_SIZE);
        let buffers = BodyBuffers::new(&routes, &settings);
        let connections = ConnectionPool::new(protocol.upstream.clone());
        let (new_context, peers) = (Box::new(new_context), Peers::default());
        let lingering = Semaphore::new(MAX_LINGERING);
        Self {
            routes,
            new_context,
            metrics,
            settings,
            protocol,
            peers,
            connections,
            limiters,
            buffers,
            lingering,
        }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("routes", &self.routes).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ProtocolOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProtocolOptions").finish_non_exhaustive()
    }
}

/// How many connections of a listener may wait for the rest of a request. Anybody can send bodies that do not end; the connections
/// beyond this number are closed at once, and a caller that is still writing may lose the response.
const MAX_LINGERING: usize = 128;
