//! Reads answers up to a limit, so that a server that goes wrong takes no memory.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

/// Why a body was not read whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection broke, or was too slow.
    #[error("the answer broke off")]
    Broken(#[from] reqwest::Error),
    /// The body is larger than its reader accepts.
    #[error("the answer is over {limit} bytes")]
    TooLarge {
        /// The largest size, in bytes.
        limit: usize,
    },
}

/// Reads a body, and stops at `limit` bytes: the rest is dropped together with the connection.
///
/// # Errors
///
/// When the body breaks off before.
pub async fn read_at_most(mut response: Response, limit: usize) -> Result<Bytes, reqwest::Error> {
    let mut body = BytesMut::new();
    while body.len() < limit {
        let Some(chunk) = response.chunk().await? else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(limit);
    Ok(body.freeze())
}

/// Reads a body that is of use only as a whole.
///
/// # Errors
///
/// [`BodyError`].
pub async fn read_whole(mut response: Response, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
