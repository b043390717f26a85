//! One exchange, from the first byte of a request to its access log line.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use kyc_model::ProblemKind;
use kyc_plugin_api::Flow;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use pingora::{Error, ErrorSource, ErrorType, Result};
use tokio::time::timeout;

use super::finish::{Recorded, log_problem, record};
use super::proxy::Proxy;
use super::state::{Exchange, InFlight};
use crate::downstream::begin_request;
use crate::error::diagnose;

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

impl Proxy {
    /// Serves a request whose head was read; returns the connection where it can serve another one.
    async fn exchange(&self, mut session: ServerSession) -> Option<ReusedHttpStream> {
        let in_flight = InFlight::new(&self.metrics);
        let cx = (self.begin)();
        let mut exchange = Recorded::new(Exchange::new(cx, Arc::clone(self.routes.unrouted()), in_flight));
        let is_reusable = match self.serve(&mut session, &mut exchange).await {
            Ok(()) if exchange.upstream.answered_early => {
                self.linger(&mut session).await;
                false
            }
            Ok(()) => true,
            Err(error) => self.fail(&mut session, &mut exchange, &error).await,
        };
        record(&session, &mut exchange);
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
            Flow::Respond(response) => exchange.responder().respond(session, response).await,
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
        log_problem(exchange, kind, &detail);
        if !can_be_answered(session, error) {
            return false;
        }
        let is_reusable = is_reusable_after(exchange, error, kind);
        if !is_reusable {
            session.set_keepalive(None);
        }
        exchange.responder().respond_problem(session, error, kind).await.is_ok() && is_reusable
    }

    /// Reads the rest of a body whose answer is sent: closing before would take the answer away from a caller that is still
    /// writing (nginx's `lingering_close`).
    async fn linger(&self, session: &mut ServerSession) {
        // A caller that left, or goes on for too long, is told nothing new.
        let _ = timeout(self.settings.lingering(), session.drain_request_body()).await;
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

/// Says whether the caller can still be told what went wrong: not in the middle of a response, and not when it does not read.
fn can_be_answered(session: &ServerSession, error: &Error) -> bool {
    let does_not_read =
        error.etype == ErrorType::WriteTimedout && *error.esource() == ErrorSource::Downstream;
    let is_begun = session.response_written().is_some_and(|head| !head.status.is_informational());
    !does_not_read && !is_begun
}

/// Says whether the connection may serve another request behind a problem: after a malformed one nobody knows where the next
/// one begins, and an unread body would have to be read for nothing.
fn is_reusable_after(exchange: &Exchange, error: &Error, kind: ProblemKind) -> bool {
    let is_body_read = !exchange.upstream.is_wanted || exchange.arrival.is_whole();
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

/// For the answer to a head that was refused before its connection's limits were set.
const LAST_WRITE: Duration = Duration::from_secs(10);
