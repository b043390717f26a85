//! Chooses a connection to the upstream, and another one where trying again is safe.

use std::time::Instant;

use kyc_model::ProblemKind;
use kyc_telemetry::traces::Span;
use pingora::protocols::http::ServerSession;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{Error, Result, RetryType};

use super::proxy::Proxy;
use super::relay::AfterAnswer;
use super::retry;
use super::state::Exchange;
use crate::error::{refuse, to_pingora};
use crate::request::Arrival;
use crate::upstream::UpstreamConnection;

impl Proxy {
    /// Sends the request to its upstream and the answer back.
    ///
    /// # Errors
    ///
    /// What the last try failed with.
    pub(super) async fn forward(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<()> {
        exchange.upstream.is_wanted = true;
        // A body that was read whole comes from memory.
        let is_whole = session.is_body_empty() || exchange.body.is_some();
        exchange.arrival = Arrival::new(is_whole);
        exchange.upstream.permit = self.guards.enter(&exchange.cx).map_err(to_pingora)?;
        loop {
            exchange.upstream.tries += 1;
            exchange.upstream.started = Some(Instant::now());
            exchange.upstream.span = Span::client("upstream", || exchange.span.context());
            match self.attempt(session, exchange).await {
                Err(error) if error.retry() => tracing::warn!(
                    request_id = %exchange.cx.request_id(), tenant = exchange.tenant(),
                    error = error.etype.as_str(), "retrying the upstream"
                ),
                done => return done,
            }
            exchange.arrival = Arrival::new(is_whole);
        }
    }

    /// One try.
    async fn attempt(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<()> {
        let target = exchange
            .cx
            .target()
            .ok_or_else(|| refuse(ProblemKind::RouteNotFound, "no plugin chose an upstream"))?;
        let peer = self.peers.peer(target, exchange.cx.tenant()).await.map_err(to_pingora)?;
        let connected = self.connections.get(&peer).await;
        let UpstreamConnection { session: mut upstream, is_reused } =
            connected.map_err(|error| self.not_connected(error.into_up(), &peer, exchange))?;
        match self.relay(session, exchange, &mut upstream).await {
            Ok(AfterAnswer::Keep) => {
                self.connections.release(upstream, &peer).await;
                Ok(())
            }
            Ok(AfterAnswer::Close) => Ok(()),
            Err(error) => Err(broken(error, session, exchange, is_reused)),
        }
    }

    /// Nothing was sent yet: decides whether another address, or the same one, is tried.
    fn not_connected(&self, mut error: Box<Error>, peer: &HttpPeer, exchange: &mut Exchange) -> Box<Error> {
        let another = match (exchange.cx.target(), peer.address().as_inet()) {
            (Some(target), Some(address)) => self.peers.mark_failed(&target.base, *address),
            (_, _) => false,
        };
        exchange.upstream.span.fail("connect");
        error.set_retry(retry::before_sending(&error.etype, another, exchange.upstream.tries));
        error
    }
}

/// The exchange broke off: decides whether the request is sent again.
fn broken(
    mut error: Box<Error>,
    session: &ServerSession,
    exchange: &mut Exchange,
    is_reused: bool,
) -> Box<Error> {
    exchange.upstream.span.fail("broken");
    let is_repeatable = exchange.story.status.is_none()
        && retry::after_sending(
            exchange.cx.target().map(|target| &target.method),
            session.retry_buffer_truncated(),
            exchange.upstream.tries,
        );
    if is_repeatable {
        error.retry.decide_reuse(is_reused);
    } else {
        error.retry = RetryType::Decided(false);
    }
    error
}
