//! Requests as they arrived, and how they are shown.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// When its head was read.
    pub at: SystemTime,
    /// The method.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The account whose token it carries, if any.
    pub account: Option<String>,
    /// The body; empty for files, which are counted and not kept.
    pub body: Bytes,
}

/// How `GET /_sandbox/requests` shows a request.
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

/// Names and values, in the order in which they came.
pub(super) fn headers(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}
