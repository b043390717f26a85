//! One exchange, from the first byte of a request to its access line.
//!
//! The loop is the gateway's own, on Pingora's server sessions, connections and client sessions. Pingora's proxy hides an
//! upstream's bytes, runs each body through two channels and leaves its limits to wrappers around it (ADR 19).
//!
//! | file | does |
//! |---|---|
//! | `phases` | admits the request, finds its route and runs the request phases |
//! | `forward` | chooses the connection, and tries again where that is safe |
//! | `relay` | lets the request and its answer travel at the same time |

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use kyc_plugin_api::{Ctx, Flow};
use kyc_telemetry::Metrics;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::connectors::ConnectorOptions;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::finish;
use super::state::{Exchange, InFlight};
use crate::downstream::begin_request;
use crate::error::diagnose;
use crate::request::Buffers;
use crate::response::respond;
use crate::routing::RouteTable;
use crate::settings::ProxySettings;
use crate::upstream::{Connections, Guards, Peers};

/// The reverse proxy behind one listener.
pub struct Proxy {
    pub(super) routes: RouteTable,
    begin: Box<dyn Fn() -> Ctx + Send + Sync>,
    pub(super) metrics: Metrics,
    pub(super) settings: ProxySettings,
    protocol: ProtocolOptions,
    pub(super) peers: Peers,
    pub(super) connections: Connections,
    pub(super) guards: Arc<Guards>,
    pub(super) buffers: Buffers,
}

/// What Pingora's sessions and connections are told.
pub struct ProtocolOptions {
    /// The listener's HTTP/1.1 and HTTP/2 connections.
    pub server: HttpServerOptions,
    /// The limits of HTTP/2 at the listener.
    pub http2: H2Options,
    /// The connections to upstreams.
    pub upstream: ConnectorOptions,
}

// === impl Proxy ===

impl Proxy {
    /// Serves `routes`; each request has the context that `begin` gives when it begins, tenants and listener in it.
    pub fn new(
        routes: RouteTable,
        begin: impl Fn() -> Ctx + Send + Sync + 'static,
        metrics: Metrics,
        settings: ProxySettings,
        protocol: ProtocolOptions,
        guards: Arc<Guards>,
    ) -> Self {
        let buffers = Buffers::new(&routes, &settings);
        let connections = Connections::new(protocol.upstream.clone());
        let (begin, peers) = (Box::new(begin), Peers::default());
        Self { routes, begin, metrics, settings, protocol, peers, connections, guards, buffers }
    }

    /// Serves a request whose head was read; returns the connection where it can serve another one.
    async fn exchange(&self, mut session: ServerSession) -> Option<ReusedHttpStream> {
        let in_flight = InFlight::new(&self.metrics);
        let mut exchange = Exchange::new((self.begin)(), Arc::clone(self.routes.unrouted()), in_flight);
        let is_reusable = match self.serve(&mut session, &mut exchange).await {
            Ok(()) if exchange.upstream.answered_early => {
                self.linger(&mut session).await;
                false
            }
            Ok(()) => true,
            Err(error) => self.fail(&mut session, &mut exchange, &error).await,
        };
        finish::record(&session, &mut exchange);
        drop(exchange);
        if !is_reusable {
            return None;
        }
        let settings = HttpPersistentSettings::for_session(&session);
        // The rest of a body that nobody asked for is read first.
        let stream = timeout(self.settings.lingering(), session.finish()).await.ok()?.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }

    /// Runs the phases. An error is what the caller is still to be told.
    async fn serve(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<()> {
        self.admit(session, exchange)?;
        match self.filter(session, exchange).await? {
            Flow::Respond(response) => respond::respond(session, exchange, response).await,
            Flow::Next => self.forward(session, exchange).await,
        }
    }

    /// Answers for a request that failed; returns whether the connection may serve another one.
    async fn fail(&self, session: &mut ServerSession, exchange: &mut Exchange, error: &Error) -> bool {
        let Some((kind, detail)) = diagnose(error) else {
            // The caller left.
            return false;
        };
        exchange.problem = Some(kind);
        exchange.upstream.failed(kind, exchange.arrival.is_whole());
        finish::log_problem(exchange, kind, &detail);
        respond::respond_problem(session, exchange, error, kind).await
    }

    /// Reads the rest of a body whose answer is sent: closing before would take the answer away from a caller that is still
    /// writing (nginx's `lingering_close`).
    async fn linger(&self, session: &mut ServerSession) {
        // A caller that left, or goes on for too long, is told nothing new.
        let _ = timeout(self.settings.lingering(), session.drain_request_body()).await;
    }
}

#[async_trait]
impl HttpServerApp for Proxy {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        begin_request(session.stream());
        if !read_head(&mut session).await {
            return None;
        }
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        // A connection that waits for its next request, as most do, holds none of the memory of an exchange.
        Box::pin(self.exchange(session)).await
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.protocol.server)
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.protocol.http2.clone())
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

/// Reads the head of a request; `false` when there is none to serve. What is refused here is written down by the
/// connection.
async fn read_head(session: &mut ServerSession) -> bool {
    let refusal = match session.read_request().await {
        Ok(true) if session.req_header().method == Method::CONNECT => Some(405),
        Ok(is_there) => return is_there,
        Err(error) if matches!(error.etype, ErrorType::InvalidHTTPHeader) => Some(400),
        // The connection broke, or the request is refused on it already.
        Err(_) => None,
    };
    // Whoever left does not miss it.
    let _ = timeout(LAST_WRITE, async {
        if let Some(status) = refusal {
            let _ = session.respond_error(status).await;
        }
        session.shutdown().await;
    })
    .await;
    false
}

/// For the answer to a head that was refused before its connection's limits were set.
const LAST_WRITE: Duration = Duration::from_secs(10);
