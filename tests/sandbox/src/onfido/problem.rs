//! Onfido's error envelope.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

/// What Onfido refuses.
#[derive(Debug)]
pub(super) enum Problem {
    /// The credential is absent or wrong.
    Unauthorized,
    /// There is no such resource in this account.
    NotFound,
    /// The body is no JSON object.
    BadRequest,
    /// A field is missing or wrong.
    Invalid(&'static str),
    /// The body is longer than a simulation wants to keep.
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
