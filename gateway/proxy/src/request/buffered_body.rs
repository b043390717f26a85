//! Buffers a request body before it is forwarded, within limits of size, time, rate and memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kyc_model::ProblemKind;
use kyc_plugin_api::{BodyBuffering, Ctx, Forwarded};
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType, Result};
use tokio::time::{Instant, timeout_at};

use super::body_limit::too_large;
use super::body_memory::{BodyMemory, MemoryPool, NoMemory};
use super::expectation::{BodyExpectation, send_continue};
use crate::error::refuse;
use crate::routing::RouteTable;
use crate::settings::ProxySettings;

/// The limits of buffered bodies, and the memory for them: each route has its own.
#[derive(Debug)]
pub(crate) struct BodyBuffers {
    pools: HashMap<String, Arc<MemoryPool>>,
    deadline: Duration,
    rate: u64,
    grace: Duration,
    forwarded: Option<Arc<Forwarded>>,
}

/// A body in memory, which counts until `memory` is dropped.
#[derive(Debug)]
pub(crate) struct BufferedBody {
    pub(crate) bytes: Bytes,
    pub(crate) memory: BodyMemory,
}

/// The time limit of a body, and its minimum rate.
#[derive(Clone, Copy, Debug)]
struct BodyDeadline {
    begun: Instant,
    total: Duration,
    rate: u64,
    grace: Duration,
}

// === impl BodyBuffers ===

impl BodyBuffers {
    /// Divides the memory among the routes that buffer bodies.
    pub(crate) fn new(routes: &RouteTable, settings: &ProxySettings) -> Self {
        let names: Vec<String> = routes.buffering().map(str::to_owned).collect();
        let routes = names.len();
        Self {
            pools: names.into_iter().map(|name| (name, MemoryPool::new(settings, routes))).collect(),
            deadline: settings.body,
            rate: settings.body_min_rate,
            grace: settings.body_grace,
            forwarded: settings.forwarded.clone(),
        }
    }

    /// Returns the source address of a request: the peer, or the address that a trusted proxy in front reports.
    fn source(&self, session: &ServerSession, cx: &Ctx) -> Option<IpAddr> {
        let peer = cx.connection().peer?.ip();
        let headers = &session.req_header().headers;
        Some(self.forwarded.as_ref().map_or(peer, |proxies| proxies.caller(peer, headers)))
    }

    /// Reads the complete body of a request for `route`. The caller has checked its declared length.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::BodyTooLarge`] above the limit, [`ProblemKind::Overloaded`] when other bodies use the memory,
    /// [`ProblemKind::RequestTimeout`] after the deadline or below the minimum rate, [`ProblemKind::BadRequest`] for an incomplete
    /// or malformed body; Pingora's error when the caller disconnects.
    pub(crate) async fn read(
        &self,
        session: &mut ServerSession,
        buffering: BodyBuffering,
        route: &str,
        cx: &Ctx,
    ) -> Result<BufferedBody> {
        let unknown = || refuse(ProblemKind::Internal, "the route has no memory for bodies");
        let memory = self.pools.get(route).ok_or_else(unknown)?.reserve(self.source(session, cx), cx);
        // After the checks above: a caller that is refused need not send its body.
        let expectation = send_continue(session).await?;
        // A plugin may lower the time limit of the listener, not raise it.
        let total = buffering.within.map_or(self.deadline, |within| within.min(self.deadline));
        let deadline = BodyDeadline { begun: Instant::now(), total, rate: self.rate, grace: self.grace };
        read_pieces(session, expectation, buffering.limit, deadline, memory).await
    }
}

// === impl BodyDeadline ===

impl BodyDeadline {
    /// Returns the deadline of the next piece after `bytes` bytes.
    fn next(self, bytes: usize) -> Instant {
        let fast_enough = match self.rate {
            0 => self.total,
            rate => self.grace + Duration::from_secs_f64(bytes as f64 / rate as f64),
        };
        self.begun + self.total.min(fast_enough)
    }
}

async fn read_pieces(
    session: &mut ServerSession,
    mut expectation: BodyExpectation,
    limit: usize,
    deadline: BodyDeadline,
    mut memory: BodyMemory,
) -> Result<BufferedBody> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let until = deadline.next(first.len() + whole.len());
        let read = expectation.bound(async { Ok(timeout_at(until, session.read_request_body()).await) });
        let read = read.await?.map_err(|_| timed_out())?;
        expectation.met();
        let Some(chunk) = read.map_err(read_failed)? else { break };
        let size = first.len() + whole.len() + chunk.len();
        if size > limit {
            return Err(too_large(limit as u64));
        }
        // The bytes that arrived count, not the declared length, because a caller can declare any length without sending it.
        memory.grow_to(size).map_err(no_memory)?;
        // Most bodies arrive in one piece, which is not copied.
        if first.is_empty() && whole.is_empty() {
            first = chunk;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&chunk);
        }
    }
    Ok(BufferedBody { bytes: if whole.is_empty() { first } else { whole.freeze() }, memory })
}

fn no_memory(reason: NoMemory) -> Box<Error> {
    refuse(ProblemKind::Overloaded, &reason.to_string())
}

fn timed_out() -> Box<Error> {
    refuse(ProblemKind::RequestTimeout, "the body did not arrive in time")
}

/// Maps a read error: a slow caller gets 408, a malformed body 400, and a caller that left no response.
fn read_failed(mut error: Box<Error>) -> Box<Error> {
    match error.etype {
        ErrorType::ReadTimedout => timed_out(),
        ErrorType::ReadError | ErrorType::ConnectionClosed => {
            error.as_down();
            error
        }
        _ => refuse(ProblemKind::BadRequest, "the body is incomplete or its framing is malformed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_deadline_is_the_grace_and_then_the_rate() {
        let total = Duration::from_secs(9);
        let deadline =
            BodyDeadline { begun: Instant::now(), total, rate: 1000, grace: Duration::from_secs(2) };

        let seconds =
            [0, 500, 3000, 1_000_000].map(|bytes| (deadline.next(bytes) - deadline.begun).as_secs_f64());

        assert_eq!(seconds, [2.0, 2.5, 5.0, 9.0]);
        assert_eq!(
            BodyDeadline { rate: 0, ..deadline }.next(0) - deadline.begun,
            total,
            "a rate of 0 is no limit"
        );
    }
}
