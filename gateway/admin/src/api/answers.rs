//! Answers that refuse a request.

use http::{Response, StatusCode, header};
use serde_json::json;

/// Refuses with a status and a reason.
pub(crate) fn refused((status, reason): (StatusCode, &str)) -> Response<Vec<u8>> {
    let mut response = Response::new(format!("{}\n", json!({ "error": reason })).into_bytes());
    let length = response.body().len();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, http::HeaderValue::from(length));
    response
}

/// Asks for a bearer token (RFC 6750, section 3).
pub(crate) fn challenged(reason: &str) -> Response<Vec<u8>> {
    let mut response = refused((StatusCode::UNAUTHORIZED, reason));
    response.headers_mut().insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
    response
}

/// The header that shows that a change is meant.
pub const INTENT: &str = "x-admin-intent";
