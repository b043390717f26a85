//! Errors in Onfido's format.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

/// Why Onfido refuses a request.
#[derive(Debug)]
pub(super) enum Problem {
    /// The credential is missing or wrong.
    Unauthorized,
    /// The account has no such resource.
    NotFound,
    /// The body is not a JSON object.
    BadRequest,
    /// A field is missing or wrong.
    Invalid(&'static str),
    /// The body is larger than the simulation's limit.
    TooLarge,
}

// === impl Problem ===

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, kind, message, fields) = match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "authorization_error",
                "Authorization error: please re-check your credentials",
                json!({}),
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "resource_not_found",
                "Could not find the requested resource",
                json!({}),
            ),
            Self::BadRequest => {
                (StatusCode::BAD_REQUEST, "bad_request", "The request body could not be read", json!({}))
            }
            Self::Invalid(field) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "validation_error",
                "There was a validation error on this request",
                Value::Object([(field.to_owned(), json!(["is missing or invalid"]))].into_iter().collect()),
            ),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "bad_request", "The request body is too large", json!({}))
            }
        };
        let envelope = json!({"error": {"type": kind, "message": message, "fields": fields}});
        (status, Json(envelope)).into_response()
    }
}
