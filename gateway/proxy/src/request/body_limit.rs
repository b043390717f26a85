//! How large a request body may be: what a plugin asks for within what the route allows.

use http::{HeaderMap, header};
use kyc_model::{Problem, ProblemKind};
use kyc_plugin_api::BodyWish;
use pingora::{Error, Result};

use crate::error::to_pingora;

/// The smaller of both limits.
pub(crate) fn limit_wish(mut wish: BodyWish, limit: Option<u64>) -> BodyWish {
    if let Some(limit) = limit {
        wish.limit = wish.limit.min(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    wish
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

/// The error for a body of more than `limit` bytes.
pub(super) fn too_large(limit: u64) -> Box<Error> {
    to_pingora(Problem::new(ProblemKind::BodyTooLarge, format!("the body is over {limit} bytes")))
}
