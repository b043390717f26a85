//! The one `impl ProxyHttp`: each phase is a few calls into the rooms beside it.

mod request;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use kyc_model::ProblemKind;
use kyc_plugin_api::{Ctx, Flow};
use kyc_telemetry::Metrics;
use kyc_telemetry::traces::Span;
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{Error, Result, RetryType};
use pingora_http::{RequestHeader, ResponseHeader};

use crate::admission::admit;
use crate::arrival::Arrival;
use crate::body::{Buffers, answer_expectation, write_end_once};
use crate::exchange::{Exchange, InFlight};
use crate::rescue::{self, refuse, to_pingora};
use crate::route::RouteTable;
use crate::settings::ProxySettings;
use crate::upstream::{Guards, Peers, attach, check_switch, follow, rewrite, strip_hop_by_hop};
use crate::{answer, outcome, retry, spans};

/// Pingora's view of the gateway.
pub struct Proxy {
    routes: RouteTable,
    begin: Box<dyn Fn() -> Ctx + Send + Sync>,
    metrics: Metrics,
    settings: ProxySettings,
    peers: Peers,
    guards: Arc<Guards>,
    buffers: Buffers,
}

// === impl Proxy ===

impl Proxy {
    /// Serves `routes`; each request has the context that `begin` gives when it begins, tenants and listener in it.
    pub fn new(
        routes: RouteTable,
        begin: impl Fn() -> Ctx + Send + Sync + 'static,
        metrics: Metrics,
        settings: ProxySettings,
        guards: Arc<Guards>,
    ) -> Self {
        let buffers = Buffers::new(&routes, &settings);
        Self { routes, begin: Box::new(begin), metrics, settings, peers: Peers::default(), guards, buffers }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("routes", &self.routes).finish_non_exhaustive()
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    // Pingora moves it a few times on the way.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Box<Exchange> {
        Box::new(Exchange::new(
            (self.begin)(),
            Arc::clone(self.routes.unrouted()),
            InFlight::new(&self.metrics),
        ))
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, exchange: &mut Box<Exchange>) -> Result<()> {
        let admitted = admit(session, exchange, &self.settings);
        spans::begin(exchange, admitted.is_ok().then(|| &session.req_header().headers));
        admitted.map_err(|violation| {
            session.set_keepalive(None);
            to_pingora(violation.into())
        })
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Box<Exchange>) -> Result<bool> {
        match self.filter(session, exchange).await? {
            Flow::Next => Ok(false),
            Flow::Respond(response) => answer::respond(session, exchange, response).await.map(|()| true),
        }
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        exchange: &mut Box<Exchange>,
    ) -> Result<Box<HttpPeer>> {
        if !std::mem::replace(&mut exchange.upstream.is_wanted, true) {
            exchange.upstream.pass = self.guards.enter(&exchange.cx).map_err(to_pingora)?;
        }
        exchange.upstream.tries += 1;
        exchange.upstream.started = Some(Instant::now());
        exchange.upstream.span = Span::client("upstream", || exchange.span.context());
        // A body that is sent again comes from memory.
        exchange.arrival = Arrival::new(session.as_mut().is_body_empty() || exchange.body.is_some());
        let target = exchange
            .cx
            .target()
            .ok_or_else(|| refuse(ProblemKind::RouteNotFound, "no plugin chose an upstream"))?;
        self.peers.peer(target, exchange.cx.tenant()).await.map_err(to_pingora)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        peer: &HttpPeer,
        exchange: &mut Box<Exchange>,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let another = match (exchange.cx.target(), peer.address().as_inet()) {
            (Some(target), Some(address)) => self.peers.failed(&target.base, *address),
            (_, _) => false,
        };
        exchange.upstream.span.fail("connect");
        error.set_retry(retry::before_sending(&error.etype, another, exchange.upstream.tries));
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Box<Exchange>,
        client_reused: bool,
    ) -> Box<Error> {
        let replayable = !exchange.upstream.answered_early
            && retry::after_sending(
                exchange.cx.target().map(|target| &target.method),
                session.as_ref().retry_buffer_truncated(),
                exchange.upstream.tries,
            );
        if !exchange.upstream.answered_early {
            exchange.upstream.span.fail("broken");
        }
        if replayable {
            error.retry.decide_reuse(client_reused);
        } else {
            error.retry = RetryType::Decided(false);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        head: &mut RequestHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        let internal = || refuse(ProblemKind::Internal, "the upstream head cannot be built");
        let target = exchange.cx.target().ok_or_else(internal)?;
        rewrite(head, target, exchange.body.as_ref(), exchange.request_id.clone()).map_err(to_pingora)?;
        if let Some(trace) = exchange.upstream.span.context() {
            follow(head, &trace);
        }
        exchange.route.chains.upstream_request_filter(head, &mut exchange.cx).map_err(to_pingora)?;
        if let Some(credential) = exchange.cx.target().and_then(|target| target.credential.clone()) {
            attach(head, credential);
        }
        if exchange.body.is_none() {
            answer_expectation(session).await?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        chunk: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        if exchange.upstream.answered_early {
            return Err(answer::ended_early());
        }
        if let Some(body) = &exchange.body {
            // An empty chunk withholds; `None` before the end would cut the body off.
            *chunk = Some(if end { body.clone() } else { Bytes::new() });
        } else if let Some(piece) = chunk {
            exchange.arrival.add(piece.len(), exchange.route.max_body, &self.settings)?;
        }
        exchange.arrival.end(end);
        write_end_once(chunk, end);
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        if head.status.is_informational() {
            strip_hop_by_hop(head);
            return check_switch(head).map_err(to_pingora);
        }
        let status = head.status.as_u16();
        exchange.answered(status, answer::has_no_body(head, &session.req_header().method));
        if matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.metrics.upstreams().denied(exchange.tenant());
            outcome::log_denied(exchange, status);
        }
        strip_hop_by_hop(head);
        if !exchange.arrival.is_whole() {
            // The rest of the request is read for nobody.
            session.set_keepalive(None);
        }
        answer::finish_head(head, session.req_header(), exchange).map_err(to_pingora)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        chunk: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Box<Exchange>,
    ) -> Result<Option<std::time::Duration>> {
        exchange.route.chains.response_body_filter(chunk, end, &mut exchange.cx).map_err(to_pingora)?;
        exchange.passed_on(chunk.as_ref(), end);
        Ok(None)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Box<Exchange>,
    ) -> FailToProxy {
        if exchange.upstream.answered_early {
            return answer::linger(session, exchange).await;
        }
        let Some((kind, detail)) = rescue::diagnose(error) else {
            return FailToProxy { error_code: outcome::CLIENT_GONE, can_reuse_downstream: false };
        };
        exchange.problem = Some(kind);
        exchange.upstream.failed(kind, exchange.arrival.is_whole());
        outcome::log_problem(exchange, kind, &detail);
        let can_reuse_downstream = answer::respond_problem(session, exchange, error, kind).await;
        FailToProxy { error_code: rescue::status(kind), can_reuse_downstream }
    }

    fn suppress_error_log(&self, _session: &Session, _exchange: &Box<Exchange>, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        exchange: &Box<Exchange>,
        error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        tracing::warn!(
            request_id = %exchange.cx.request_id(), tenant = exchange.tenant(), error = error.etype.as_str(),
            "upstream tried again"
        );
        true
    }

    fn request_summary(&self, _session: &Session, exchange: &Box<Exchange>) -> String {
        format!("route {}, request {}", exchange.route.name, exchange.cx.request_id())
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, exchange: &mut Box<Exchange>) {
        outcome::record(session, exchange);
    }
}
