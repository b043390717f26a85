//! One exchange, from the first byte of a request to its access log line.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::FutureExt;
use http::Method;
use kyc_model::ProblemKind;
use kyc_plugin_api::Flow;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use pingora::{Error, ErrorSource, ErrorType, Result};
use tokio::task::unconstrained;
use tokio::time::timeout;

use super::finish::{LoggedExchange, finish, log_problem};
use super::proxy::Proxy;
use super::state::{Exchange, InFlight};
use crate::downstream::{accept_head, put_back};
use crate::error::{classify, has_too_many_fields};
use crate::request::set_connection;

#[async_trait]
impl HttpServerApp for Proxy {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        match read_head(&mut session).await {
            Head::Complete => {}
            Head::Refused(kind) => {
                Box::pin(self.refuse_head(session, kind)).await;
                return None;
            }
            Head::Ended => return None,
        }
        // During a drain each connection is closed after the request in progress.
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        // Boxed apart, so that a connection whose head arrives slowly does not hold the memory of an exchange.
        Box::pin(self.serve_exchange(session)).await
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.protocol.server)
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.protocol.http2.clone())
    }
}

impl Proxy {
    /// Serves a request whose head was read; returns the connection if it can serve another one.
    fn serve_exchange(
        &self,
        mut session: ServerSession,
    ) -> impl Future<Output = Option<ReusedHttpStream>> + Send {
        let mut exchange = self.begin_exchange();
        // An `async fn` would hold the session twice: as its argument, and as the variable that it changes.
        async move {
            let rest = match self.run_phases(&mut session, &mut exchange).await {
                Ok(()) if exchange.upstream.responded_early => RestOfRequest::Discard,
                Ok(()) => RestOfRequest::Finish,
                Err(error) => self.respond_with_error(&mut session, &mut exchange, &error).await,
            };
            finish(&session, &mut exchange);
            // Spans end, and memory and permits are returned, before the gateway waits for the rest of the request.
            drop(exchange);
            let is_closing = rest == RestOfRequest::Discard || session.get_keepalive().is_none();
            // Over HTTP/2 the stream is reset without an error instead, and the response is not lost (RFC 9113 §8.1).
            if is_closing && rest != RestOfRequest::Leave && !session.is_http2() {
                self.read_lingering_body(&mut session).await;
            }
            if rest != RestOfRequest::Finish {
                return None;
            }
            // Read from the session before `finish` consumes it.
            let settings = HttpPersistentSettings::for_session(&session);
            // Reads the rest of a body that no plugin and no upstream asked for.
            let _place = match session.is_http2() || session.is_body_done() {
                true => None,
                false => Some(self.lingering.try_acquire().ok()?),
            };
            if let ServerSession::H1(session) = &mut session {
                let is_kept = timeout(self.settings.lingering_timeout(), finish_messages(session));
                is_kept.await.ok()?.ok()?.then_some(())?;
            }
            // By value it would hold the session three times while it waits: nothing is left to wait for.
            let finished = unconstrained(session.finish()).now_or_never();
            let (stream, surplus) = finished?.ok().flatten()?.into_parts();
            let stream = put_back(stream, surplus.map(BytesMut::freeze))?;
            Some(ReusedHttpStream::new(stream, Some(settings)))
        }
    }

    /// Responds to a request whose head is malformed, or that asks for a tunnel, and ends its connection.
    async fn refuse_head(&self, mut session: ServerSession, kind: ProblemKind) {
        // The access log line is written here, not by the guard of the connection.
        accept_head(session.stream());
        let mut exchange = self.begin_exchange();
        set_connection(&session, &mut exchange.cx);
        exchange.problem = Some(kind);
        log_problem(&exchange, kind, "the head is malformed, has too many fields, or asks for a tunnel");
        // A failed write means that the caller left.
        let _ = timeout(REFUSAL_WRITE_TIMEOUT, async {
            let _ = exchange.responder().refuse_head(&mut session, kind).await;
            session.shutdown().await;
        })
        .await;
        finish(&session, &mut exchange);
    }

    fn begin_exchange(&self) -> LoggedExchange {
        // Counted before anything can fail or panic, and released by `Drop`, so that the gauge returns to zero in every case.
        let in_flight = InFlight::new(&self.metrics);
        let cx = (self.new_context)();
        LoggedExchange::new(Exchange::new(cx, Arc::clone(self.routes.unrouted()), in_flight))
    }

    /// Runs the phases. An error is returned if the caller still needs an error response.
    async fn run_phases(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<()> {
        self.validate(session, exchange)?;
        match self.run_request_phases(session, exchange).await? {
            Flow::Respond(response) => exchange.responder().respond(session, response).await,
            Flow::Next => self.forward(session, exchange).await,
        }
    }

    /// Responds to a request that failed.
    async fn respond_with_error(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        error: &Error,
    ) -> RestOfRequest {
        let Some((kind, detail)) = classify(error) else {
            // The caller has disconnected.
            return RestOfRequest::Leave;
        };
        // Recorded before the response is written, since the caller may leave during the write.
        exchange.problem = Some(kind);
        exchange.upstream.record_failure(kind, exchange.request_body.is_complete());
        log_problem(exchange, kind, &detail);
        if !can_respond(session, error) {
            return RestOfRequest::Leave;
        }
        let is_reusable = is_reusable_after(exchange, error, kind);
        // Must precede the head, which announces `Connection: close`.
        if !is_reusable {
            session.set_keepalive(None);
        }
        match exchange.responder().respond_problem(session, error, kind).await {
            // A caller that was too slow gets no more time.
            Err(_) => RestOfRequest::Leave,
            Ok(()) if kind == ProblemKind::RequestTimeout => RestOfRequest::Leave,
            Ok(()) if is_reusable => RestOfRequest::Finish,
            Ok(()) => RestOfRequest::Discard,
        }
    }

    /// Reads the rest of a body whose response is sent: closing at once would reset the connection, and a caller that is still
    /// writing would lose the response (RFC 9112 §9.6).
    async fn read_lingering_body(&self, session: &mut ServerSession) {
        let Ok(_place) = self.lingering.try_acquire() else { return };
        // The response is out: neither a caller that left nor one that goes on for too long needs another.
        let _ = timeout(self.settings.lingering_timeout(), session.drain_request_body()).await;
    }
}

/// What becomes of the rest of a request, after its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestOfRequest {
    /// It is read, and the connection serves the next request.
    Finish,
    /// It is read, so that the caller gets its response; then the connection is closed.
    Discard,
    /// The connection is closed at once.
    Leave,
}

/// What came of reading a request head.
enum Head {
    Complete,
    /// Pingora could not parse it, or it asks for a tunnel.
    Refused(ProblemKind),
    /// There is no request to respond to: the connection ended, or its guard has responded.
    Ended,
}

/// Reads the head of a request.
async fn read_head(session: &mut ServerSession) -> Head {
    match session.read_request().await {
        Ok(true) if session.req_header().method == Method::CONNECT => {
            Head::Refused(ProblemKind::MethodNotAllowed)
        }
        Ok(true) => Head::Complete,
        Ok(false) => Head::Ended,
        Err(error) if matches!(error.etype, ErrorType::InvalidHTTPHeader) => {
            Head::Refused(match has_too_many_fields(&error) {
                true => ProblemKind::HeaderTooLarge,
                false => ProblemKind::BadRequest,
            })
        }
        Err(_) => {
            // A caller that has left needs no farewell.
            let _ = timeout(REFUSAL_WRITE_TIMEOUT, session.shutdown()).await;
            Head::Ended
        }
    }
}

/// Ends the response, and reads the rest of the request, or shuts the connection down. Returns whether it is kept.
async fn finish_messages(session: &mut HttpSession) -> Result<bool> {
    session.finish_body().await?;
    if session.will_keepalive() {
        session.drain_request_body().await?;
        return Ok(true);
    }
    session.shutdown().await;
    Ok(false)
}

/// Returns whether an error response can still be sent: not in the middle of another response, and not to a caller that does not
/// read.
fn can_respond(session: &ServerSession, error: &Error) -> bool {
    let does_not_read =
        error.etype == ErrorType::WriteTimedout && *error.esource() == ErrorSource::Downstream;
    let is_begun = session.response_written().is_some_and(|head| !head.status.is_informational());
    !does_not_read && !is_begun
}

/// Returns whether the connection may serve another request after an error response: after a malformed request it is unknown
/// where the next one begins, and an unread body would have to be read for nothing.
fn is_reusable_after(exchange: &Exchange, error: &Error, kind: ProblemKind) -> bool {
    let is_body_read = !exchange.upstream.is_selected || exchange.request_body.is_complete();
    is_body_read
        && !matches!(
            kind,
            ProblemKind::BadRequest
                | ProblemKind::HeaderTooLarge
                | ProblemKind::BodyTooLarge
                | ProblemKind::RequestTimeout
                | ProblemKind::MethodNotAllowed
        )
        && *error.esource() != ErrorSource::Downstream
}

/// For a response that is sent before validation sets the write timeout of the session.
const REFUSAL_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
