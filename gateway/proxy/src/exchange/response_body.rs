//! The body of an upstream's response: its phase, and the responses that a plugin reads before the caller gets them.
//!
//! A plugin asks for that in its `response_filter`, for the few responses that it must act on first. All other bodies are forwarded
//! as they arrive.

use bytes::{Bytes, BytesMut};
use kyc_model::ProblemKind;
use kyc_plugin_api::ResponseBuffering;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::{Error, Result};
use tokio::time::{Instant, timeout_at};

use super::proxy::Proxy;
use super::state::Exchange;
use crate::error::{refuse, to_pingora};

/// The part of a response body that was read before its head was forwarded.
pub(super) struct BufferedResponse {
    bytes: Bytes,
    end: BufferEnd,
}

/// Why no more of the body was read.
enum BufferEnd {
    /// It is complete.
    Complete,
    /// It is larger, or slower, than the plugin wants to wait for: the rest is forwarded as it arrives.
    Limit,
    /// The upstream broke it off.
    Broken(Box<Error>),
}

// === impl BufferedResponse ===

impl BufferedResponse {
    /// Reads the body within the limits of `buffering`, and runs the phase for it. That phase runs also for a body that breaks off:
    /// the upstream has acted on the request all the same.
    pub(super) async fn read(
        exchange: &mut Exchange,
        upstream: &mut HttpSession,
        buffering: ResponseBuffering,
    ) -> Self {
        let deadline = Instant::now() + buffering.within;
        let mut bytes = BytesMut::new();
        let end = loop {
            if bytes.len() >= buffering.limit {
                break BufferEnd::Limit;
            }
            // Dropping the read at the deadline loses nothing: the loop of the relay does the same with each read that loses its race.
            let task = match timeout_at(deadline, upstream.read_response_task()).await {
                Err(_) => break BufferEnd::Limit,
                Ok(Err(error)) => break BufferEnd::Broken(error.into_up()),
                Ok(Ok(task)) => task,
            };
            match filter_body_task(exchange, task) {
                Err(error) => break BufferEnd::Broken(error),
                Ok((task, is_end)) => {
                    if let HttpTask::Body(Some(piece), _) = task {
                        bytes.extend_from_slice(&piece);
                    }
                    if is_end {
                        break BufferEnd::Complete;
                    }
                }
            }
        };
        let bytes = bytes.freeze();
        exchange.route.chains.buffered_response_filter(&bytes, &mut exchange.cx).await;
        Self { bytes, end }
    }

    /// Adds what was read to the tasks for the caller, which gets it also if the upstream broke off. Returns whether the response is
    /// complete, and the error that broke it off.
    pub(super) fn forward(self, tasks: &mut Vec<HttpTask>) -> (bool, Result<()>) {
        let is_complete = matches!(self.end, BufferEnd::Complete);
        // An empty piece that is not the last one would end a chunked body.
        let piece = Some(self.bytes).filter(|bytes| !bytes.is_empty());
        if is_complete || piece.is_some() {
            tasks.push(HttpTask::Body(piece, is_complete));
        }
        let result = match self.end {
            BufferEnd::Complete | BufferEnd::Limit => Ok(()),
            BufferEnd::Broken(error) => Err(error),
        };
        (is_complete, result)
    }
}

impl Proxy {
    /// Reads the response of a request whose caller has left, for the plugin that needs it. Waits for its head as long as for that
    /// of any other request.
    pub(super) async fn outlast_caller(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &mut HttpSession,
    ) {
        let (mut head, is_end) = loop {
            match upstream.read_response_task().await {
                Ok(HttpTask::Header(head, _)) if head.status.is_informational() => {
                    if exchange.response.count_interim().is_err() {
                        return;
                    }
                }
                Ok(HttpTask::Header(head, is_end)) => break (head, is_end),
                Ok(_) | Err(_) => return,
            }
        };
        if self.prepare_response_head(session, exchange, upstream, &mut head, is_end).is_err() || is_end {
            return;
        }
        if let Some(buffering) = exchange.cx.take_response_buffering() {
            BufferedResponse::read(exchange, upstream, buffering).await;
        }
    }
}

/// Runs the response body phase on a piece of a body; returns whether it is the last one.
///
/// # Errors
///
/// The error of the upstream, or a plugin's problem.
pub(super) fn filter_body_task(exchange: &mut Exchange, task: HttpTask) -> Result<(HttpTask, bool)> {
    let (mut piece, is_end) = match task {
        HttpTask::Body(piece, is_end) => (piece, is_end),
        HttpTask::Done => (None, true),
        HttpTask::Failed(error) => return Err(error),
        HttpTask::Header(..) | HttpTask::Trailer(_) | HttpTask::UpgradedBody(..) => {
            return Err(refuse(
                ProblemKind::UpstreamError,
                "the upstream sent parts of its response out of order",
            ));
        }
    };
    exchange.route.chains.response_body_filter(&mut piece, is_end, &mut exchange.cx).map_err(to_pingora)?;
    exchange.record_response_body(piece.as_ref(), is_end);
    Ok((HttpTask::Body(piece, is_end), is_end))
}
