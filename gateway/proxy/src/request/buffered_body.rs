//! Reads a request body whole, within a size, a time and a rate, and what others leave of the memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Version, header};
use kyc_model::ProblemKind;
use kyc_plugin_api::{BodyWish, Ctx, Forwarded};
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType, Result};
use tokio::time::{Instant, timeout_at};

use super::body_limit::too_large;
use super::body_memory::{NoRoom, Pool, Room};
use crate::error::refuse;
use crate::routing::RouteTable;
use crate::settings::ProxySettings;
use crate::write_timeout::write_within;

/// The memory that bodies may take which are read whole: each route has its own.
#[derive(Debug)]
pub(crate) struct Buffers {
    pools: HashMap<String, Arc<Pool>>,
    deadline: Duration,
    rate: u64,
    grace: Duration,
    forwarded: Option<Arc<Forwarded>>,
}

/// A body that was read whole; its memory counts until `room` is dropped.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) room: Room,
}

/// Until when a body must have come how far.
#[derive(Clone, Copy, Debug)]
struct Pace {
    begun: Instant,
    whole: Duration,
    rate: u64,
    grace: Duration,
}

// === impl Buffers ===

impl Buffers {
    /// Divides the memory among the routes that read bodies.
    pub(crate) fn new(routes: &RouteTable, settings: &ProxySettings) -> Self {
        let names: Vec<String> = routes.reading().map(str::to_owned).collect();
        let routes = names.len();
        Self {
            pools: names.into_iter().map(|name| (name, Pool::new(settings, routes))).collect(),
            deadline: settings.body,
            rate: settings.body_min_rate,
            grace: settings.body_grace,
            forwarded: settings.forwarded.clone(),
        }
    }

    /// Where a request comes from.
    fn source(&self, session: &ServerSession, cx: &Ctx) -> Option<IpAddr> {
        let peer = cx.connection().peer?.ip();
        let headers = &session.req_header().headers;
        Some(self.forwarded.as_ref().map_or(peer, |proxies| proxies.caller(peer, headers)))
    }

    /// Reads the whole body of a request for `route`.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::BodyTooLarge`] above the wished limit, [`ProblemKind::Overloaded`] when other bodies
    /// leave no room, [`ProblemKind::RequestTimeout`] after the deadline or when it comes too slowly; else what
    /// Pingora says of a body that breaks off.
    pub(crate) async fn read_whole(
        &self,
        session: &mut ServerSession,
        wish: BodyWish,
        route: &str,
        cx: &Ctx,
    ) -> Result<Whole> {
        let unknown = || refuse(ProblemKind::Internal, "the route has no memory for bodies");
        let room = self.pools.get(route).ok_or_else(unknown)?.enter(self.source(session, cx), cx);
        answer_expectation(session).await?;
        let whole = wish.within.map_or(self.deadline, |within| within.min(self.deadline));
        let pace = Pace { begun: Instant::now(), whole, rate: self.rate, grace: self.grace };
        read_chunks(session, wish.limit, pace, room).await
    }
}

// === impl Pace ===

impl Pace {
    /// Until when the next piece must be there, after so many bytes.
    fn next(self, bytes: usize) -> Instant {
        let fast_enough = match self.rate {
            0 => self.whole,
            rate => self.grace + Duration::from_secs_f64(bytes as f64 / rate as f64),
        };
        self.begun + self.whole.min(fast_enough)
    }
}

/// Answers `Expect: 100-continue`, which Pingora does not by itself, when the body is going to be read. In HTTP/1.0 the
/// field means nothing (RFC 9110 §10.1.1); over HTTP/2 Pingora sends no interim answers.
pub(crate) async fn answer_expectation(session: &mut ServerSession) -> Result<()> {
    if session.req_header().version == Version::HTTP_11 && session.get_header(header::EXPECT).is_some() {
        let limit = session.get_write_timeout();
        write_within(limit, session.write_continue_response()).await.map_err(Error::into_down)?;
    }
    Ok(())
}

async fn read_chunks(session: &mut ServerSession, limit: usize, pace: Pace, mut room: Room) -> Result<Whole> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let until = pace.next(first.len() + whole.len());
        let read = timeout_at(until, session.read_request_body()).await.map_err(|_| late())?;
        let Some(chunk) = read.map_err(broken)? else { break };
        let size = first.len() + whole.len() + chunk.len();
        if size > limit {
            return Err(too_large(limit as u64));
        }
        // What has arrived counts, not what was announced: announcing costs nothing.
        room.grow_to(size).map_err(full)?;
        // Most bodies come in one piece, which is then not copied.
        if first.is_empty() && whole.is_empty() {
            first = chunk;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&chunk);
        }
    }
    Ok(Whole { bytes: if whole.is_empty() { first } else { whole.freeze() }, room })
}

fn full(reason: NoRoom) -> Box<Error> {
    refuse(ProblemKind::Overloaded, &reason.to_string())
}

fn late() -> Box<Error> {
    refuse(ProblemKind::RequestTimeout, "the body did not arrive in time")
}

/// A caller that left is told nothing, and one that is slow something else than one that frames wrongly.
fn broken(mut error: Box<Error>) -> Box<Error> {
    match error.etype {
        ErrorType::ReadTimedout => late(),
        ErrorType::ReadError | ErrorType::ConnectionClosed => {
            error.as_down();
            error
        }
        _ => refuse(ProblemKind::BadRequest, "the body broke off or is framed wrongly"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_grace_and_then_its_rate() {
        let whole = Duration::from_secs(9);
        let pace = Pace { begun: Instant::now(), whole, rate: 1000, grace: Duration::from_secs(2) };

        let seconds = [0, 500, 3000, 1_000_000].map(|bytes| (pace.next(bytes) - pace.begun).as_secs_f64());

        assert_eq!(seconds, [2.0, 2.5, 5.0, 9.0]);
        assert_eq!(Pace { rate: 0, ..pace }.next(0) - pace.begun, whole, "0 is at any rate");
    }
}
