//! Error responses: the only place with the status and the text of each kind of problem.
//!
//! The body is Onfido's own error envelope, so that every client library of Onfido parses it. It contains no internal details; the
//! cause is logged.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use kyc_model::{Problem, ProblemKind, RequestId};
use pingora::Error;
use pingora_http::ResponseHeader;

use crate::error::find_problem;

/// Returns the status of a kind of problem.
pub(crate) fn status(kind: ProblemKind) -> u16 {
    match kind {
        ProblemKind::BadRequest => 400,
        ProblemKind::Unauthenticated => 401,
        ProblemKind::Forbidden => 403,
        ProblemKind::RouteNotFound | ProblemKind::TenantNotFound => 404,
        ProblemKind::MethodNotAllowed => 405,
        ProblemKind::RequestTimeout => 408,
        ProblemKind::BodyTooLarge => 413,
        ProblemKind::UnsupportedMediaType => 415,
        ProblemKind::ExpectationFailed => 417,
        ProblemKind::RateLimited => 429,
        ProblemKind::HeaderTooLarge => 431,
        ProblemKind::Internal => 500,
        ProblemKind::UpstreamUnreachable | ProblemKind::UpstreamError => 502,
        ProblemKind::Overloaded | ProblemKind::Unavailable => 503,
        ProblemKind::UpstreamTimeout => 504,
    }
}

/// Returns the text for the caller.
fn message(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::BadRequest => "The request is malformed or ambiguous",
        ProblemKind::Unauthenticated => "The caller could not be authenticated",
        ProblemKind::Forbidden => "This is not allowed",
        ProblemKind::RouteNotFound => "There is nothing at this address",
        ProblemKind::TenantNotFound => "There is no such configuration",
        ProblemKind::MethodNotAllowed => "This method is not allowed here",
        ProblemKind::RequestTimeout => "The request took too long to arrive",
        ProblemKind::BodyTooLarge => "The request body is too large",
        ProblemKind::UnsupportedMediaType => "The content type is not supported here",
        ProblemKind::ExpectationFailed => "The expectation of the request cannot be met",
        ProblemKind::RateLimited => "Too many requests",
        ProblemKind::HeaderTooLarge => "The request headers are too large",
        ProblemKind::Internal => "The gateway failed",
        ProblemKind::UpstreamUnreachable => "The upstream could not be reached",
        ProblemKind::UpstreamError => "The upstream did not answer as expected",
        ProblemKind::Overloaded => "The gateway is overloaded",
        ProblemKind::Unavailable => "The gateway is not ready for this request",
        ProblemKind::UpstreamTimeout => "The upstream took too long",
    }
}

/// Builds the response for a problem.
///
/// # Errors
///
/// Never with the statuses above; Pingora checks the head it builds.
pub(super) fn build(kind: ProblemKind, request_id: RequestId) -> pingora::Result<(ResponseHeader, Bytes)> {
    let body = serde_json::json!({
        "error": {
            "type": kind.code(),
            "message": message(kind),
            "fields": {},
            "request_id": request_id.to_string(),
        }
    })
    .to_string();
    let mut head = ResponseHeader::build(status(kind), Some(6))?;
    head.insert_header(header::CONTENT_TYPE, "application/json")?;
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    // A cache in front must not repeat a refusal to others.
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    Ok((head, Bytes::from(body)))
}

/// Builds the same response as bytes, for a connection that is closed before Pingora has a request.
pub(crate) fn raw_error_response(kind: ProblemKind, request_id: RequestId) -> Vec<u8> {
    // Cannot fail with these statuses; an empty response closes the connection without a word.
    let Ok((head, body)) = build(kind, request_id) else { return Vec::new() };
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes =
        format!("HTTP/1.1 {} {reason}\r\nConnection: close\r\n", head.status.as_str()).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

/// Returns the seconds of `Retry-After`: those of the problem, or a default for temporary problems.
pub(super) fn retry_after(error: &Error, kind: ProblemKind) -> Option<u64> {
    let given = find_problem(error).and_then(Problem::retry_after);
    let default =
        matches!(kind, ProblemKind::Unavailable | ProblemKind::Overloaded).then_some(DEFAULT_RETRY_AFTER);
    given.or(default).map(|wait| wait.as_secs_f64().ceil() as u64)
}

/// For temporary problems without their own time.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_error_response_is_a_complete_message() {
        let bytes = raw_error_response(ProblemKind::HeaderTooLarge, RequestId::new());

        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("Connection: close\r\n"), "{head}");
    }

    #[test]
    fn body_is_onfidos_error_envelope() {
        let id = RequestId::new();

        let (head, body) = build(ProblemKind::UpstreamTimeout, id).unwrap();

        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(head.status, 504);
        assert_eq!(body["error"]["type"], "upstream_timeout");
        assert_eq!(body["error"]["request_id"], id.to_string());
    }
}
