//! The dialect `legacy`: `GetToken` and `CallAction`.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::mode::Refusal;
use super::shared::Shared;
use super::traffic::{Delivery, Dialect};

#[derive(Deserialize)]
pub(super) struct GetToken {
    username: String,
    password: String,
    client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallAction<'a> {
    api_info: ApiInfo,
    #[serde(borrow)]
    request: Request<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ApiInfo {
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    action_name: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Returns a token if username, password and client id belong to one account.
pub(super) async fn log_in(State(shared): State<Arc<Shared>>, Json(sent): Json<GetToken>) -> Response {
    let tenant = shared.account(|account| {
        account.username == sent.username
            && account.password == sent.password
            && account.client_id == sent.client_id
    });
    match tenant {
        // "If the user account is inactive, the request will not return an access token."
        Some(tenant) if shared.inactive().contains(&tenant) => envelope(Ok(())).into_response(),
        Some(tenant) => {
            let token = shared.sessions.open(&tenant, Dialect::Legacy);
            Json(json!({"access_token": token, "expires_in": shared.sessions.lifetime().as_secs()}))
                .into_response()
        }
        None => (StatusCode::UNAUTHORIZED, envelope(Err("The user name or password is incorrect.")))
            .into_response(),
    }
}

/// Accepts an event.
pub(super) async fn call_action(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(CallAction { api_info, request }) = serde_json::from_slice::<CallAction<'_>>(&body) else {
        return (StatusCode::BAD_REQUEST, envelope(Err("The request could not be read."))).into_response();
    };
    let Some(tenant) = shared.sessions.tenant(&api_info.token, Dialect::Legacy) else {
        return expired();
    };
    if !shared.settings.has_action(&request.action_name) {
        return envelope(Err("The action was not found.")).into_response();
    }
    if let Some(refusal) = shared.refusal(request.data.get().as_bytes()) {
        return refused(refusal);
    }
    let delivery = Delivery {
        tenant,
        dialect: Dialect::Legacy,
        action: request.action_name,
        event: body.slice_ref(request.data.get().as_bytes()),
        headers,
        at: SystemTime::now(),
    };
    match shared.take(delivery).await {
        Ok(()) => envelope(Ok(())).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The response of a portal to an expired token: a failure with status 200.
pub(super) fn expired() -> Response {
    envelope(Err("Invalid or expired token.")).into_response()
}

/// The response of a portal when the script of the endpoint failed.
pub(super) fn failed() -> Response {
    envelope(Err("The automation script failed.")).into_response()
}

/// The response to an event that the portal refuses.
pub(super) fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "portal-says: not this event").into_response()
        }
        Refusal::Envelope => failed().into_response(),
    }
}

fn envelope(result: Result<(), &str>) -> Json<serde_json::Value> {
    Json(json!({
        "Message": result.err(),
        "IsSuccess": result.is_ok(),
        "ClientScript": null,
        "Serialized": null,
        "ErrorCode": i32::from(result.is_err()),
        "UIResult": null,
    }))
}

pub(super) const LOGIN_PATH: &str = "/api/Authorize/GetToken";
pub(super) const DELIVERY_PATH: &str = "/api/openApi/CallAction";
