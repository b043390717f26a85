//! `/echo`: returns the received request, to show how a proxy changed it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::OriginalUri;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::request::headers;

pub(super) async fn echo(
    method: Method,
    OriginalUri(uri): OriginalUri,
    seen: HeaderMap,
    body: Bytes,
) -> Json<Value> {
    Json(json!({
        "method": method.as_str(),
        "path": uri.path(),
        "query": uri.query(),
        "headers": headers(&seen),
        "body_length": body.len(),
    }))
}
