//! Answers of the admin API.

use http::{HeaderName, Response, StatusCode, header};
use kyc_plugin_api::Challenge;
use serde::Serialize;

use crate::api::request::ErrorAnswer;

/// Builds a JSON answer, with a line end for terminals.
pub(crate) fn json_answer(status: StatusCode, answer: &impl Serialize) -> Response<Vec<u8>> {
    // Serialization cannot fail: the answers contain only strings, numbers and maps with string keys.
    let mut body = serde_json::to_vec(answer).unwrap_or_default();
    body.push(b'\n');
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Builds the answer to a request that failed.
pub(crate) fn error_answer(status: StatusCode, reason: &str) -> Response<Vec<u8>> {
    json_answer(status, &ErrorAnswer { error: reason.to_owned() })
}

/// Builds the answer to a refused request.
pub(crate) fn refused((status, reason): (StatusCode, &str)) -> Response<Vec<u8>> {
    let mut response = error_answer(status, reason);
    let length = response.body().len();
    response.headers_mut().insert(header::CONTENT_LENGTH, http::HeaderValue::from(length));
    response
}

/// Builds a 401 that asks for a bearer token (RFC 6750 §3).
pub(crate) fn challenged(reason: &str) -> Response<Vec<u8>> {
    let mut response = refused((StatusCode::UNAUTHORIZED, reason));
    response.headers_mut().insert(header::WWW_AUTHENTICATE, Challenge::Bearer.to_header_value());
    response
}

/// The header that a change must have. A page of another origin cannot set it (cross-site request forgery).
pub const INTENT: HeaderName = HeaderName::from_static("x-admin-intent");
