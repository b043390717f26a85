//! What happens to every request first: it is recorded, and its token says whose it is.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method};
use serde::Serialize;

use super::problem::Problem;
use super::{Recording, Shared};

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

/// Records a request, and refuses it unless a known account sent it.
pub(super) async fn guard(
    State(shared): State<Arc<Shared>>,
    mut request: axum::extract::Request,
    next: Next,
) -> Response {
    let account = token(request.headers()).and_then(|token| shared.accounts.with_token(token));
    let body = if is_file(request.headers()) {
        Bytes::new()
    } else {
        let whole = std::mem::take(request.body_mut());
        match to_bytes(whole, LONGEST_BODY).await {
            Ok(body) => body,
            Err(_) => return Problem::TooLarge.into_response(),
        }
    };
    if shared.settings.recording == Recording::Requests {
        shared.requests.push(Request {
            at: SystemTime::now(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            headers: request.headers().clone(),
            account: account.as_ref().map(|account| account.name.clone()),
            body: body.clone(),
        });
    }
    if !is_file(request.headers()) {
        *request.body_mut() = Body::from(body);
    }
    let echo = format!("{}/echo", shared.settings.base_path);
    let is_open = request.uri().path().starts_with(&echo);
    match account {
        Some(account) => {
            request.extensions_mut().insert(account);
            next.run(request).await
        }
        // What a caller without a credential sent must be visible too.
        None if is_open => next.run(request).await,
        None => Problem::Unauthorized.into_response(),
    }
}

/// The token of `Authorization: Token token=…`.
fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Token token=")
}

fn is_file(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("multipart/") || kind.starts_with("application/octet-stream")
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

const LONGEST_BODY: usize = 4 * 1024 * 1024;
