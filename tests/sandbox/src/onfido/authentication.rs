//! Records every request and authenticates it, before a handler runs.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::problem::Problem;
use super::request::Request;
use super::settings::Recording;
use super::shared::Shared;

/// Records a request, and refuses it if its token belongs to no account.
pub(super) async fn authenticate(
    State(shared): State<Arc<Shared>>,
    mut request: axum::extract::Request,
    next: Next,
) -> Response {
    let account = token(request.headers()).and_then(|token| shared.accounts.with_token(token));
    let body = if is_file(request.headers()) {
        Bytes::new()
    } else {
        let whole = std::mem::take(request.body_mut());
        match to_bytes(whole, MAX_BODY).await {
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
        // Requests without a valid credential are recorded, too, so that tests can check what the gateway sent.
        None if is_open => next.run(request).await,
        None => Problem::Unauthorized.into_response(),
    }
}

/// Returns the token of `Authorization: Token token=…`.
fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Token token=")
}

fn is_file(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("multipart/") || kind.starts_with("application/octet-stream")
}

const MAX_BODY: usize = 4 * 1024 * 1024;
