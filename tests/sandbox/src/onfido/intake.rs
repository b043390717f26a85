//! What handlers read of a request.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;

use super::account::Account;
use super::problem::Problem;

/// The query's parameters.
pub(super) type Parameters = HashMap<String, String>;

/// The account that sent the request.
#[derive(Debug)]
pub(super) struct Sender(pub(super) Arc<Account>);

// === impl Sender ===

impl<S: Sync> FromRequestParts<S> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Arc<Account>>().cloned().map(Self).ok_or(Problem::Unauthorized)
    }
}

/// The body as a JSON object.
pub(super) fn object(body: &Bytes) -> Result<Value, Problem> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) | Err(_) => Err(Problem::BadRequest),
    }
}

/// A member that must be a text.
pub(super) fn text<'a>(object: &'a Value, member: &'static str) -> Result<&'a str, Problem> {
    object.get(member).and_then(Value::as_str).ok_or(Problem::Invalid(member))
}
