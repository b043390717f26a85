//! Forwards the request and its response at the same time: an upstream may respond before it has the whole request, and a caller
//! may leave at any time.
//!
//! Each limit is a statement here or in what is called from here:
//!
//! | limit | where |
//! |---|---|
//! | silence of the caller within a body | the read timeout of `session`, set by validation |
//! | the rate and the size of a body | [`BodyRateLimit::receive`](crate::request::BodyRateLimit::receive) |
//! | silence of the upstream | the read timeout of `upstream`, for each read |
//! | interim responses | `ResponseProgress::count_interim` |
//! | an upstream, or a caller, that does not read | the write timeout of its session |
//! | a response that a plugin reads first | `BufferedResponse::read` |
//! | the rest of a body whose response is complete | `Proxy::read_lingering_body` |

use std::pin::pin;

use bytes::Bytes;
use futures::FutureExt;
use http::Version;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::{Error, Result};
use tokio::task::unconstrained;

use super::proxy::Proxy;
use super::response_body::{BufferedResponse, filter_body_task};
use super::state::Exchange;
use super::upstream_head::build_upstream_head;
use crate::downstream::join_head_and_body;
use crate::error::to_pingora;
use crate::hop_by_hop::{check_switch, strip_hop_by_hop};
use crate::request::{BodyExpectation, send_continue};
use crate::upstream::check_response;
use crate::write_timeout::write_within;

/// Whether a connection can be used again after its response was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionReuse {
    /// Both messages are complete.
    Reuse,
    /// The upstream may take the rest of the request for another request.
    Close,
}

/// How much of the request is sent upstream.
enum SendProgress {
    /// The caller has not sent its whole body yet.
    Body,
    /// The request is sent completely.
    Complete,
    /// The upstream reads no more of it, but may have responded.
    Failed(Box<Error>),
}

impl Proxy {
    /// Sends the request on a connection and its response back.
    ///
    /// # Errors
    ///
    /// The error that ended one of the messages early.
    pub(super) async fn relay(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &mut HttpSession,
    ) -> Result<ConnectionReuse> {
        exchange.prepare_credential().await?;
        // Built for each attempt, because plugins may have changed the head of the one before.
        let head = build_upstream_head(session, exchange, &self.settings.private_headers)?;
        // For a buffered body it was sent before the body was read. A second one in a retry does no harm (RFC 9110 §15.2).
        let mut expectation = match exchange.buffered_body {
            Some(_) => BodyExpectation::default(),
            None => send_continue(session).await?,
        };
        let limit = upstream.write_timeout;
        write_within(limit, pin!(upstream.write_request_header(Box::new(head))))
            .await
            .map_err(Error::into_up)?;
        let mut progress = self.start_body(session, exchange, upstream).await?;
        loop {
            tokio::select! {
                // The response comes first: once it is complete, the rest of the request is not sent.
                biased;
                read = upstream.read_response_task() => {
                    let task = match (read, progress) {
                        (Ok(task), before) => {
                            progress = before;
                            task
                        }
                        // The first failure names the cause, this one only its consequence.
                        (Err(_), SendProgress::Failed(first)) => return Err(first),
                        (Err(error), _) => return Err(error.into_up()),
                    };
                    if self.forward_response(session, exchange, upstream, task).await? {
                        break;
                    }
                    // A caller that has the final response may keep its body.
                    if exchange.response.status.is_some() {
                        expectation.met();
                    }
                }
                read = read_body(session, exchange, expectation) => {
                    let piece = match read {
                        Ok(piece) => piece,
                        Err(left) => {
                            if exchange.outlasts_caller() && matches!(progress, SendProgress::Complete) {
                                // Boxed, as is the read below: few exchanges need its memory.
                                Box::pin(self.outlast_caller(session, exchange, upstream)).await;
                            }
                            return Err(left);
                        }
                    };
                    expectation.met();
                    let is_end = piece.is_none() || session.is_body_done();
                    if let Some(piece) = &piece {
                        exchange.request_body.receive(piece.len(), exchange.route.max_body, &self.settings)?;
                    }
                    exchange.request_body.end(is_end);
                    if !matches!(progress, SendProgress::Failed(_)) {
                        progress = send_body(upstream, piece.as_ref(), is_end).await;
                    }
                }
            }
        }
        // An upstream that responded before it had the whole request may take the rest of it for the next one.
        Ok(match progress {
            SendProgress::Complete => ConnectionReuse::Reuse,
            SendProgress::Body | SendProgress::Failed(_) => ConnectionReuse::Close,
        })
    }

    /// Sends what is already there of the body: all of a buffered one, and in a retry what the caller has sent so far.
    async fn start_body(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &mut HttpSession,
    ) -> Result<SendProgress> {
        if let Some(body) = &exchange.buffered_body {
            return Ok(send_body(upstream, Some(body), true).await);
        }
        // The end must be written for an empty body, too: it completes the request for the session.
        if session.is_body_empty() {
            return Ok(send_body(upstream, None, true).await);
        }
        if exchange.upstream.attempts > 1
            && let Some(sent) = session.get_retry_buffer()
        {
            let is_end = session.is_body_done();
            exchange.request_body.receive(sent.len(), exchange.route.max_body, &self.settings)?;
            exchange.request_body.end(is_end);
            return Ok(send_body(upstream, Some(&sent), is_end).await);
        }
        // Only an idempotent request may be sent again, so only its body is worth the memory of a copy.
        if exchange.cx.target().is_some_and(|target| target.method.is_idempotent()) {
            session.enable_retry_buffering();
        }
        Ok(SendProgress::Body)
    }

    /// Forwards a part of the response; returns whether it was the last one.
    async fn forward_response(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &mut HttpSession,
        task: HttpTask,
    ) -> Result<bool> {
        // Head and first piece of the body: never more than two tasks in one write.
        let mut tasks = Vec::with_capacity(2);
        let mut broken = Ok(());
        let is_end = match task {
            HttpTask::Header(mut head, _) if head.status.is_informational() => {
                exchange.response.count_interim().map_err(to_pingora)?;
                check_switch(&head).map_err(to_pingora)?;
                check_response(upstream, &mut head, false).map_err(to_pingora)?;
                strip_hop_by_hop(&mut head);
                // HTTP/1.0 has no interim responses (RFC 9110 §15.2).
                if session.req_header().version == Version::HTTP_10 {
                    return Ok(false);
                }
                tasks.push(HttpTask::Header(head, false));
                false
            }
            HttpTask::Header(mut head, is_end) => {
                self.prepare_response_head(session, exchange, upstream, &mut head, is_end)?;
                tasks.push(HttpTask::Header(head, is_end));
                // Head and first piece of the body leave in one write, if both are here.
                match (is_end, exchange.cx.take_response_buffering()) {
                    (true, _) => true,
                    (false, Some(buffering)) => {
                        let buffered = Box::pin(BufferedResponse::read(exchange, upstream, buffering)).await;
                        let is_end;
                        (is_end, broken) = buffered.forward(&mut tasks);
                        is_end
                    }
                    // Polled once without waiting. `unconstrained` bypasses tokio's cooperative budget, with which a ready read
                    // could look pending.
                    (false, None) => match unconstrained(upstream.read_response_task()).now_or_never() {
                        Some(read) => {
                            let (task, is_end) = filter_body_task(exchange, read.map_err(Error::into_up)?)?;
                            tasks.push(task);
                            is_end
                        }
                        None => false,
                    },
                }
            }
            task => {
                let (task, is_end) = filter_body_task(exchange, task)?;
                tasks.push(task);
                is_end
            }
        };
        // An interim response in the middle of the request body must not end the connection, a final one must.
        let is_interim =
            matches!(tasks.first(), Some(HttpTask::Header(head, _)) if head.status.is_informational());
        session.set_close_on_response_before_downstream_finish(!is_interim);
        join_head_and_body(session.stream(), &tasks);
        let limit = Some(self.settings.write);
        write_within(limit, pin!(session.response_duplex_vec(tasks))).await.map_err(Error::into_down)?;
        broken.map(|()| is_end)
    }
}

/// Reads the next piece of the request body. Once it is complete, this waits for the caller to leave.
async fn read_body(
    session: &mut ServerSession,
    exchange: &Exchange,
    expectation: BodyExpectation,
) -> Result<Option<Bytes>> {
    let read = session.read_body_or_idle(exchange.request_body.is_complete());
    expectation.bound(read.map(|read| read.map_err(Error::into_down))).await
}

/// Sends a piece of the body. The end is written once, after the last piece or alone: an empty piece would be a chunk that ends
/// the body, and a second end would come before the next request on the connection (cloudflare/pingora#935).
async fn send_body(upstream: &mut HttpSession, piece: Option<&Bytes>, is_end: bool) -> SendProgress {
    let sent = async {
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            upstream.write_body(piece).await?;
        }
        if is_end {
            write_within(upstream.write_timeout, pin!(upstream.finish_body())).await?;
        }
        Ok::<(), Box<Error>>(())
    };
    match sent.await {
        Ok(()) if is_end => SendProgress::Complete,
        Ok(()) => SendProgress::Body,
        Err(error) => SendProgress::Failed(error.into_up()),
    }
}
