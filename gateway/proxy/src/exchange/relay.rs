//! The request and its answer, at the same time: an upstream may answer before it has the whole request, and a caller may
//! leave at any time.
//!
//! Each limit is a statement here or in what is called from here:
//!
//! | limit | where |
//! |---|---|
//! | the caller's silence within a body | `session`'s read timeout, set at admission |
//! | the rate and the size of a body | [`Arrival::add`](crate::request::Arrival::add) |
//! | the upstream's silence | `upstream`'s read timeout, for each read |
//! | an upstream, or a caller, that does not read | the write timeout of its session |
//! | the rest of a body behind its answer | `Proxy::linger` |

use bytes::Bytes;
use futures::FutureExt;
use http::{Method, StatusCode, Version, header};
use kyc_model::ProblemKind;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::task::unconstrained;

use super::finish::log_denied;
use super::proxy::Proxy;
use super::state::Exchange;
use crate::error::{refuse, to_pingora};
use crate::hop_by_hop::{check_switch, strip_hop_by_hop};
use crate::request::answer_expectation;
use crate::response::has_no_body;
use crate::upstream::{attach_credential, check_response, rewrite};
use crate::write_timeout::write_within;

/// What becomes of a connection whose answer was passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterAnswer {
    /// Both messages came to their end.
    Keep,
    /// The upstream may take the rest of the request for another one.
    Close,
}

/// How far the request has gone upstream.
enum Sending {
    /// More of its body is to come from the caller.
    Body,
    /// It is sent whole.
    Done,
    /// The upstream takes no more of it, but may have answered.
    Failed(Box<Error>),
}

impl Proxy {
    /// Sends the request on a connection and passes its answer on.
    ///
    /// # Errors
    ///
    /// Whatever ended one of the messages before its end.
    pub(super) async fn relay(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &mut HttpSession,
    ) -> Result<AfterAnswer> {
        let head = upstream_head(session, exchange)?;
        if exchange.body.is_none() {
            answer_expectation(session).await?;
        }
        let limit = upstream.write_timeout;
        write_within(limit, upstream.write_request_header(Box::new(head))).await.map_err(Error::into_up)?;
        let mut sending = self.begin_body(session, exchange, upstream).await?;
        loop {
            tokio::select! {
                // An answer ends the exchange, so that nothing is sent that nobody reads.
                biased;
                read = upstream.read_response_task() => {
                    let task = match (read, sending) {
                        (Ok(task), before) => {
                            sending = before;
                            task
                        }
                        // Why the connection broke is known better from the first failure.
                        (Err(_), Sending::Failed(first)) => return Err(first),
                        (Err(error), _) => return Err(error.into_up()),
                    };
                    if self.pass_on(session, exchange, upstream, task).await? {
                        break;
                    }
                }
                // With nothing more to come, this waits for the caller to leave.
                read = session.read_body_or_idle(exchange.arrival.is_whole()) => {
                    let piece = read.map_err(Error::into_down)?;
                    let is_end = piece.is_none() || session.is_body_done();
                    if let Some(piece) = &piece {
                        exchange.arrival.add(piece.len(), exchange.route.max_body, &self.settings)?;
                    }
                    exchange.arrival.end(is_end);
                    if !matches!(sending, Sending::Failed(_)) {
                        sending = send(upstream, piece.as_ref(), is_end).await;
                    }
                }
            }
        }
        // An upstream that answered before it had the whole request may take the rest of it for the next one.
        Ok(match sending {
            Sending::Done => AfterAnswer::Keep,
            Sending::Body | Sending::Failed(_) => AfterAnswer::Close,
        })
    }

    /// Sends what is there of the body: all of one that was read whole, and of one that is sent again what the caller sent.
    async fn begin_body(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &mut HttpSession,
    ) -> Result<Sending> {
        if let Some(body) = &exchange.body {
            return Ok(send(upstream, Some(body), true).await);
        }
        if session.is_body_empty() {
            return Ok(send(upstream, None, true).await);
        }
        if exchange.upstream.tries > 1
            && let Some(sent) = session.get_retry_buffer()
        {
            let is_end = session.is_body_done();
            exchange.arrival.add(sent.len(), exchange.route.max_body, &self.settings)?;
            exchange.arrival.end(is_end);
            return Ok(send(upstream, Some(&sent), is_end).await);
        }
        if exchange.cx.target().is_some_and(|target| target.method.is_idempotent()) {
            session.enable_retry_buffering();
        }
        Ok(Sending::Body)
    }

    /// Passes a part of the answer on; returns whether it was the last one.
    async fn pass_on(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &mut HttpSession,
        task: HttpTask,
    ) -> Result<bool> {
        let mut tasks = Vec::with_capacity(2);
        let is_end = match task {
            HttpTask::Header(mut head, _) if head.status.is_informational() => {
                check_switch(&head).map_err(to_pingora)?;
                check_response(upstream, &mut head, false).map_err(to_pingora)?;
                strip_hop_by_hop(&mut head);
                // A caller of HTTP/1.0 knows no interim answers (RFC 9110 §15.2).
                if session.req_header().version == Version::HTTP_10 {
                    return Ok(false);
                }
                tasks.push(HttpTask::Header(head, false));
                false
            }
            HttpTask::Header(mut head, is_end) => {
                self.finish_head(session, exchange, upstream, &mut head, is_end)?;
                tasks.push(HttpTask::Header(head, is_end));
                // What came together with the head leaves together with it.
                match is_end {
                    true => true,
                    false => match unconstrained(upstream.read_response_task()).now_or_never() {
                        Some(read) => {
                            let (task, is_end) = body_task(exchange, read.map_err(Error::into_up)?)?;
                            tasks.push(task);
                            is_end
                        }
                        None => false,
                    },
                }
            }
            task => {
                let (task, is_end) = body_task(exchange, task)?;
                tasks.push(task);
                is_end
            }
        };
        let limit = Some(self.settings.write);
        write_within(limit, session.response_duplex_vec(tasks)).await.map_err(Error::into_down)?;
        Ok(is_end)
    }

    /// Makes the upstream's final head the gateway's own.
    fn finish_head(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &HttpSession,
        head: &mut ResponseHeader,
        is_end: bool,
    ) -> Result<()> {
        let method = exchange.cx.target().map_or(&Method::GET, |target| &target.method);
        let is_complete = is_end || has_no_body(head, method);
        check_response(upstream, head, !is_complete).map_err(to_pingora)?;
        head.set_version(Version::HTTP_11);
        if !is_complete && !head.headers.contains_key(header::CONTENT_LENGTH) {
            if session.req_header().version == Version::HTTP_10 {
                // Such a caller knows no chunks: the end of its connection is the end of the body (RFC 9112 §6.3).
                head.remove_header(&header::TRANSFER_ENCODING);
                session.set_keepalive(None);
            } else {
                // A body that ends with the upstream's connection need not end the caller's.
                head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
        }
        let status = head.status.as_u16();
        exchange.answered(status, is_complete);
        if matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.metrics.upstreams().denied(exchange.tenant());
            log_denied(exchange, status);
        }
        strip_hop_by_hop(head);
        if !exchange.arrival.is_whole() {
            // The rest of the request is read for nobody.
            session.set_keepalive(None);
        }
        exchange.responder().finish_head(head, session.req_header()).map_err(to_pingora)
    }
}

/// Runs the response body phase on a part of a body; returns whether it is the last one.
fn body_task(exchange: &mut Exchange, task: HttpTask) -> Result<(HttpTask, bool)> {
    let (mut piece, is_end) = match task {
        HttpTask::Body(piece, is_end) => (piece, is_end),
        HttpTask::Done => (None, true),
        HttpTask::Failed(error) => return Err(error),
        HttpTask::Header(..) | HttpTask::Trailer(_) | HttpTask::UpgradedBody(..) => {
            return Err(refuse(ProblemKind::UpstreamError, "the upstream's answer is out of order"));
        }
    };
    exchange.route.chains.response_body_filter(&mut piece, is_end, &mut exchange.cx).map_err(to_pingora)?;
    exchange.passed_on(piece.as_ref(), is_end);
    Ok((HttpTask::Body(piece, is_end), is_end))
}

/// Builds the head that goes upstream; the credential enters last.
fn upstream_head(session: &mut ServerSession, exchange: &mut Exchange) -> Result<RequestHeader> {
    let has_body = !session.is_body_empty();
    let mut head = session.req_header().clone();
    let target = exchange
        .cx
        .target()
        .ok_or_else(|| refuse(ProblemKind::Internal, "the upstream head cannot be built"))?;
    let (id, trace) = (exchange.request_id.clone(), exchange.upstream.span.context());
    rewrite(&mut head, target, exchange.body.as_ref(), id, trace.as_ref()).map_err(to_pingora)?;
    exchange.route.chains.upstream_request_filter(&mut head, &mut exchange.cx).map_err(to_pingora)?;
    if let Some(credential) = exchange.cx.target().and_then(|target| target.credential.clone()) {
        attach_credential(&mut head, credential);
    }
    head.set_version(Version::HTTP_11);
    if has_body && exchange.body.is_none() && !head.headers.contains_key(header::CONTENT_LENGTH) {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(head)
}

/// Sends a piece of the body. The end is written once, with the last piece or alone: an empty piece would be a chunk that
/// ends the body, and a second end would stand before the next request on the connection (cloudflare/pingora#935).
async fn send(upstream: &mut HttpSession, piece: Option<&Bytes>, is_end: bool) -> Sending {
    let sent = async {
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            upstream.write_body(piece).await?;
        }
        if is_end {
            write_within(upstream.write_timeout, upstream.finish_body()).await?;
        }
        Ok::<(), Box<Error>>(())
    };
    match sent.await {
        Ok(()) if is_end => Sending::Done,
        Ok(()) => Sending::Body,
        Err(error) => Sending::Failed(error.into_up()),
    }
}
