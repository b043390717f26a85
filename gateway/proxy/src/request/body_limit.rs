//! Limits the size of request bodies: a plugin may lower the limit of the route, not raise it.

use http::{HeaderMap, header};
use kyc_model::{Problem, ProblemKind};
use kyc_plugin_api::BodyBuffering;
use pingora::{Error, Result};

use crate::error::to_pingora;

/// Lowers the limit of a plugin to that of the route.
pub(crate) fn limit_buffering(mut buffering: BodyBuffering, limit: Option<u64>) -> BodyBuffering {
    if let Some(limit) = limit {
        buffering.limit = buffering.limit.min(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    buffering
}

/// Refuses a body whose `Content-Length` is over `limit`, before any of it is read.
///
/// # Errors
///
/// [`ProblemKind::BodyTooLarge`].
pub(crate) fn check_declared_length(fields: &HeaderMap, limit: Option<u64>) -> Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let declared = fields.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > limit) { Err(too_large(limit)) } else { Ok(()) }
}

/// Builds the error for a body of more than `limit` bytes.
pub(super) fn too_large(limit: u64) -> Box<Error> {
    to_pingora(Problem::new(ProblemKind::BodyTooLarge, format!("the body is over {limit} bytes")))
}
