//! Reads a request body whole, within a size, a time, and what all of them together may take.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Version, header};
use kyc_model::{Problem, ProblemKind};
use kyc_plugin_api::BodyWish;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::rescue::{refuse, to_pingora};

/// The memory that bodies may take which are read whole.
#[derive(Debug)]
pub(crate) struct Buffers {
    kibibytes: Arc<Semaphore>,
    deadline: Duration,
}

/// A body that was read whole; its memory counts until `room` is dropped.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) room: OwnedSemaphorePermit,
}

// === impl Buffers ===

impl Buffers {
    /// Lets all bodies together take `total` bytes, and each `deadline` to arrive.
    pub(crate) fn new(total: usize, deadline: Duration) -> Self {
        let permits = (total / KIBIBYTE).min(Semaphore::MAX_PERMITS);
        Self { kibibytes: Arc::new(Semaphore::new(permits)), deadline }
    }

    /// Reads the whole body.
    ///
    /// Pingora keeps a copy of up to 64 KiB while it is read, from which the body is replayed upstream.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::BodyTooLarge`] above the wished limit, [`ProblemKind::Overloaded`] when other bodies
    /// leave no room, [`ProblemKind::RequestTimeout`] after the deadline; else what Pingora says of a body that
    /// breaks off.
    pub(crate) async fn read_whole(&self, session: &mut Session, wish: BodyWish) -> Result<Whole> {
        let declared =
            session.get_header(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if declared.is_some_and(|length: usize| length > wish.limit) {
            return Err(too_large(wish.limit));
        }
        session.enable_retry_buffering();
        answer_expectation(session).await?;
        let deadline = wish.within.map_or(self.deadline, |within| within.min(self.deadline));
        tokio::time::timeout(deadline, self.read_chunks(session, wish.limit)).await.map_err(|_| late())?
    }

    async fn read_chunks(&self, session: &mut Session, limit: usize) -> Result<Whole> {
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        let mut room = self.reserve(0)?;
        while let Some(chunk) = session.read_request_body().await.map_err(broken)? {
            let size = first.len() + whole.len() + chunk.len();
            if size > limit {
                return Err(too_large(limit));
            }
            // What has arrived counts, not what was announced: announcing costs nothing.
            room.merge(self.reserve(size.div_ceil(KIBIBYTE).saturating_sub(room.num_permits()))?);
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

    fn reserve(&self, kibibytes: usize) -> Result<OwnedSemaphorePermit> {
        let full = || {
            let detail = "other request bodies take all the memory there is for them";
            refuse(ProblemKind::Overloaded, detail)
        };
        let kibibytes = u32::try_from(kibibytes).map_err(|_| full())?;
        Arc::clone(&self.kibibytes).try_acquire_many_owned(kibibytes).map_err(|_| full())
    }
}

/// Answers `Expect: 100-continue`, which Pingora does not by itself, when the body is going to be read. In HTTP/1.0 the
/// field means nothing (RFC 9110 §10.1.1); over HTTP/2 Pingora sends no interim answers.
pub(crate) async fn answer_expectation(session: &mut Session) -> Result<()> {
    if session.req_header().version == Version::HTTP_11 && session.get_header(header::EXPECT).is_some() {
        session.write_continue_response().await?;
    }
    Ok(())
}

/// Lets the end of a body be written upstream once.
///
/// Pingora writes an empty piece as a chunk of no bytes, which ends a chunked body, and then the end itself: the second one
/// would stand before the next request on the connection (cloudflare/pingora#935). An empty last DATA frame of HTTP/2 is
/// such a piece.
pub(crate) fn write_end_once(piece: &mut Option<Bytes>, is_end: bool) {
    if is_end && piece.as_ref().is_some_and(Bytes::is_empty) {
        *piece = None;
    }
}

fn too_large(limit: usize) -> Box<Error> {
    to_pingora(Problem::new(ProblemKind::BodyTooLarge, format!("the body is over {limit} bytes")))
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

/// The largest body that Pingora can replay upstream.
pub(crate) const REPLAY_LIMIT: usize = 64 * 1024;
const KIBIBYTE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let buffers = Buffers::new(4 * KIBIBYTE, Duration::from_secs(1));

        let mut first = buffers.reserve(0).unwrap();
        first.merge(buffers.reserve(4).unwrap());
        let refused = buffers.reserve(1).unwrap_err();
        drop(first);

        assert_eq!(crate::rescue::diagnose(&refused).unwrap().0, ProblemKind::Overloaded);
        assert!(buffers.reserve(4).is_ok());
    }
}
