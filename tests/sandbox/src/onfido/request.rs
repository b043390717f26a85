//! Recorded requests, and their JSON form.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The time at which its head was read.
    pub at: SystemTime,
    /// The method.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The account of its token, if any.
    pub account: Option<String>,
    /// The body; empty for files, which are counted and not stored.
    pub body: Bytes,
}

/// The JSON form of a request in `GET /_sandbox/requests`.
#[derive(Serialize)]
pub(super) struct Shown {
    method: String,
    path: String,
    query: Option<String>,
    account: Option<String>,
    headers: Vec<(String, String)>,
    body: String,
}

// === impl Shown ===

impl From<&Request> for Shown {
    fn from(request: &Request) -> Self {
        Self {
            method: request.method.to_string(),
            path: request.path.clone(),
            query: request.query.clone(),
            account: request.account.clone(),
            headers: headers(&request.headers),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        }
    }
}

/// The names and values of headers, in their order.
pub(super) fn headers(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}
