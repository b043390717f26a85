//! The dialect `keycloak`: `keycloakToken` and automation processors.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::legacy;
use super::shared::Shared;
use super::traffic::{Delivery, Dialect};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeycloakToken {
    user_name: String,
    password: String,
}

/// Returns a token; `expiresIn` is 0, as in FintechOS's samples.
pub(super) async fn log_in(State(shared): State<Arc<Shared>>, Json(sent): Json<KeycloakToken>) -> Response {
    let tenant =
        shared.account(|account| account.username == sent.user_name && account.password == sent.password);
    let Some(tenant) = tenant.filter(|tenant| !shared.inactive().contains(tenant)) else {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_grant"}))).into_response();
    };
    let token = shared.sessions.open(&tenant, Dialect::Keycloak);
    Json(json!({
        "accessToken": token,
        "expiresIn": 0,
        "refreshExpiresIn": shared.sessions.lifetime().as_secs(),
        "refreshToken": "eyJhbGciOiJIUzI1NiJ9.refresh.sandbox",
        "tokenType": "Bearer",
        "notBeforePolicy": 0,
        "scope": "email profile",
    }))
    .into_response()
}

/// Accepts an event.
pub(super) async fn act(
    State(shared): State<Arc<Shared>>,
    Path(action): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let Some(tenant) = shared.sessions.tenant(token, Dialect::Keycloak) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    if !shared.settings.has_action(&action) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Some(refusal) = shared.refusal(&body) {
        return legacy::refused(refusal);
    }
    let delivery =
        Delivery { tenant, dialect: Dialect::Keycloak, action, event: body, headers, at: SystemTime::now() };
    match shared.take(delivery).await {
        Ok(()) => Json(json!({"saved": true})).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) const LOGIN_PATH: &str = "/ftosapi/authentication/keycloakToken";
pub(super) const DELIVERY_PATH: &str = "/ftosapi/automation-processors/actions/{action}";
