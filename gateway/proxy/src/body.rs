//! Reads a request body whole, within a size and a time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use kyc_model::{Problem, ProblemKind};
use pingora::proxy::Session;

/// Reads the whole body.
///
/// Pingora keeps a copy of up to 64 KiB while it is read, from which the body is replayed upstream. It
/// answers no `Expect: 100-continue` by itself, so that is done here.
///
/// # Errors
///
/// [`ProblemKind::BodyTooLarge`] above `limit`, [`ProblemKind::RequestTimeout`] after `deadline`, else
/// [`ProblemKind::BadRequest`] for a body that breaks off.
pub(crate) async fn read_whole(
    session: &mut Session,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, Problem> {
    let declared = session
        .get_header(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    session.enable_retry_buffering();
    if session.get_header(header::EXPECT).is_some() {
        session.write_continue_response().await.map_err(|_| broken())?;
    }
    tokio::time::timeout(deadline, read_chunks(session, limit))
        .await
        .map_err(|_| Problem::new(ProblemKind::RequestTimeout, "the body did not arrive in time"))?
}

async fn read_chunks(session: &mut Session, limit: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(chunk) = session.read_request_body().await.map_err(|_| broken())? {
        if first.len() + whole.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        // Most bodies come in one piece, which is then not copied.
        if first.is_empty() && whole.is_empty() {
            first = chunk;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&chunk);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

fn too_large(limit: usize) -> Problem {
    Problem::new(ProblemKind::BodyTooLarge, format!("the body is over {limit} bytes"))
}

fn broken() -> Problem {
    Problem::new(ProblemKind::BadRequest, "the body broke off or is framed wrongly")
}

/// The largest body that Pingora can replay upstream.
pub(crate) const REPLAY_LIMIT: usize = 64 * 1024;
