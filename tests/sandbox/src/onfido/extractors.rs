//! Extractors: the parts of a request that handlers use.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;

use super::account::Account;
use super::problem::Problem;

/// The parameters of the query.
pub(super) type Parameters = HashMap<String, String>;

/// The account whose token the request has.
#[derive(Debug)]
pub(super) struct Authenticated(pub(super) Arc<Account>);

// === impl Authenticated ===

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Arc<Account>>().cloned().map(Self).ok_or(Problem::Unauthorized)
    }
}

/// Parses the body as a JSON object.
pub(super) fn object(body: &Bytes) -> Result<Value, Problem> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) | Err(_) => Err(Problem::BadRequest),
    }
}

/// Returns a member that must be a string.
pub(super) fn text<'a>(object: &'a Value, member: &'static str) -> Result<&'a str, Problem> {
    object.get(member).and_then(Value::as_str).ok_or(Problem::Invalid(member))
}
