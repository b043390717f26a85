//! Reads response bodies up to a limit, so that a faulty server cannot use up the memory.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

/// Why a body was not read completely.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection was closed, or timed out.
    #[error("the response is incomplete")]
    Broken(#[from] reqwest::Error),
    /// The body is larger than its reader accepts.
    #[error("the response is larger than {limit} bytes")]
    TooLarge {
        /// The largest size, in bytes.
        limit: usize,
    },
}

/// Reads at most `limit` bytes of a body. The rest is dropped together with the connection.
///
/// # Errors
///
/// [`reqwest::Error`] if the connection fails before the limit.
pub async fn read_at_most(mut response: Response, limit: usize) -> Result<Bytes, reqwest::Error> {
    let mut body = BytesMut::new();
    while body.len() < limit {
        let Some(chunk) = response.chunk().await? else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(limit);
    Ok(body.freeze())
}

/// Reads a complete body.
///
/// # Errors
///
/// [`BodyError::Broken`] if the connection fails, [`BodyError::TooLarge`] if the body has more than `limit` bytes.
pub async fn read_whole(mut response: Response, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        // Counted while it is read: `Content-Length` can be missing or wrong.
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
