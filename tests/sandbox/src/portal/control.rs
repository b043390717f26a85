//! Records every request, and answers it in place of the portal if the mode demands it.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;

use super::mode::{Mode, Wanted};
use super::shared::Shared;
use super::traffic::Call;
use super::{keycloak, legacy};

enum Kind {
    Login,
    Delivery,
}

/// Answers a request by the mode, or otherwise by the portal, and records the status.
pub(super) async fn control(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (at, path) = (SystemTime::now(), request.uri().path().to_owned());
    let is_login = path.ends_with(legacy::LOGIN_PATH) || path.ends_with(keycloak::LOGIN_PATH);
    let parent = request.headers().get("traceparent");
    let traceparent = parent.and_then(|parent| parent.to_str().ok()).map(str::to_owned);
    let kind = if is_login { Kind::Login } else { Kind::Delivery };
    let response = match refusal(&shared, &kind).await {
        Some(response) => response,
        None => next.run(request).await,
    };
    if shared.settings.keep {
        shared.calls.push(Call { path, status: response.status().as_u16(), at, traceparent });
    }
    response
}

/// Handles `POST /_sandbox/mode`.
pub(super) async fn set_mode(State(shared): State<Arc<Shared>>, Json(wanted): Json<Wanted>) -> Response {
    match Mode::try_from(wanted) {
        Ok(mode) => {
            shared.set_mode(mode);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
    }
}

/// Handles `POST /_sandbox/expire`.
pub(super) async fn expire(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.sessions.expire();
    StatusCode::NO_CONTENT
}

async fn refusal(shared: &Shared, kind: &Kind) -> Option<Response> {
    let response = match (shared.mode(), kind) {
        (Mode::Hang, Kind::Login | Kind::Delivery) => std::future::pending().await,
        (Mode::LoginDown, Kind::Login) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (_, Kind::Login) | (Mode::Ok | Mode::LoginDown, Kind::Delivery) => return None,
        (Mode::Refuse401Once, Kind::Delivery) => {
            shared.set_mode(Mode::Ok);
            StatusCode::UNAUTHORIZED.into_response()
        }
        (Mode::Refuse401Always, Kind::Delivery) => StatusCode::UNAUTHORIZED.into_response(),
        (Mode::IsSuccessFalse, Kind::Delivery) => legacy::failed(),
        (Mode::ExpiredEnvelopeOnce, Kind::Delivery) => {
            shared.set_mode(Mode::Ok);
            legacy::expired()
        }
        (Mode::Status(status), Kind::Delivery) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "portal-says: no").into_response()
        }
        (Mode::Slow(time), Kind::Delivery) => {
            tokio::time::sleep(time).await;
            return None;
        }
        (Mode::TooManyRequests { retry_after }, Kind::Delivery) => {
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, retry_after.to_string())]).into_response()
        }
    };
    Some(response)
}
