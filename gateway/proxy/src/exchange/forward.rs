//! Chooses a connection to the upstream, and retries where that is safe (`retry`).

use std::net::SocketAddr;
use std::time::Instant;

use kyc_model::ProblemKind;
use kyc_telemetry::traces::Span;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorSource, ErrorType, Result, RetryType};

use super::proxy::Proxy;
use super::relay::ConnectionReuse;
use super::retry;
use super::state::Exchange;
use crate::error::{refuse, to_pingora};
use crate::request::BodyRateLimit;
use crate::upstream::ConnectionChoice;

impl Proxy {
    /// Sends the request to its upstream and the response back.
    ///
    /// # Errors
    ///
    /// The error of the last attempt.
    pub(super) async fn forward(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<()> {
        exchange.upstream.is_selected = true;
        // A buffered body comes from memory.
        let is_complete = session.is_body_empty() || exchange.buffered_body.is_some();
        exchange.request_body = BodyRateLimit::new(is_complete);
        // Before the name is resolved and a connection is opened: a call over the limit must cost neither.
        // One permit for all attempts: a retry is the same call of the tenant.
        exchange.upstream.permit = self.limiters.enter(&exchange.cx).map_err(to_pingora)?;
        loop {
            exchange.prepare_credential().await?;
            // Duration and span are those of the attempt, so that a retry does not hide how slow the upstream was.
            exchange.upstream.attempts += 1;
            exchange.upstream.started = Some(Instant::now());
            exchange.upstream.span = Span::client("upstream", || exchange.span.context());
            match self.attempt(session, exchange).await {
                Err(error) if error.retry() => tracing::warn!(
                    request_id = %exchange.cx.request_id(), tenant = exchange.tenant(),
                    error = error.etype.as_str(), "retrying the upstream"
                ),
                done => return done,
            }
            // A retry sends the body from the retry buffer, where its bytes count again.
            exchange.request_body = BodyRateLimit::new(is_complete);
        }
    }

    /// One attempt.
    async fn attempt(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<()> {
        let target = exchange
            .cx
            .target()
            .ok_or_else(|| refuse(ProblemKind::RouteNotFound, "no plugin chose an upstream"))?;
        // Resolved for each attempt: the next one may have another address.
        let address = self.peers.address(target).await.map_err(to_pingora)?;
        let choice = match exchange.upstream.attempts {
            1 => ConnectionChoice::IdleFirst,
            _ => ConnectionChoice::New,
        };
        let tenant = exchange.cx.tenant().map(|tenant| &**tenant);
        let connected = self.connections.get(address, target, tenant, choice).await;
        let mut upstream =
            connected.map_err(|error| self.connect_failed(error.into_up(), address, exchange))?;
        match self.relay(session, exchange, &mut upstream.session).await {
            Ok(ConnectionReuse::Reuse) => {
                self.connections.release(upstream).await;
                Ok(())
            }
            Ok(ConnectionReuse::Close) => Ok(()),
            Err(error) => Err(exchange_failed(error, session, exchange, upstream.is_reused)),
        }
    }

    /// Decides after a failed connect whether to try another address, or the same one again. No byte of the request was sent.
    fn connect_failed(
        &self,
        mut error: Box<Error>,
        address: SocketAddr,
        exchange: &mut Exchange,
    ) -> Box<Error> {
        let another =
            exchange.cx.target().is_some_and(|target| self.peers.mark_failed(&target.base, address));
        exchange.upstream.span.fail("connect");
        error.set_retry(retry::before_sending(&error.etype, another, exchange.upstream.attempts));
        error
    }
}

/// Decides whether to send a request again that failed after it was sent.
fn exchange_failed(
    mut error: Box<Error>,
    session: &ServerSession,
    exchange: &mut Exchange,
    is_reused: bool,
) -> Box<Error> {
    exchange.upstream.span.fail("broken");
    let is_repeatable = exchange.response.status.is_none()
        && retry::after_sending(
            exchange.cx.target().map(|target| &target.method),
            session.retry_buffer_truncated(),
            exchange.upstream.attempts,
        );
    // Only on a reused connection, which the upstream may have closed meanwhile: a new one that breaks is a failure.
    if is_repeatable {
        // Pingora marks only failed reads so. A failed write says the same: the upstream had closed the connection.
        if error.etype == ErrorType::WriteError && *error.esource() == ErrorSource::Upstream {
            error.retry = RetryType::ReusedOnly;
        }
        error.retry.decide_reuse(is_reused);
    } else {
        error.retry = RetryType::Decided(false);
    }
    error
}
