//! The endpoints of webhooks: their URL and the token that signs their notifications.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::checks::notification;
use super::collection::merge;
use super::extractors::{Authenticated, object, text};
use super::problem::Problem;
use super::shared::Shared;
use super::webhook::Webhook;

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Authenticated(account): Authenticated,
    body: Bytes,
) -> Result<Response, Problem> {
    let sent = object(&body)?;
    let mut webhook = Webhook { events: Vec::new(), ..Webhook::new(text(&sent, "url")?) };
    webhook.take(&sent);
    Ok((StatusCode::CREATED, shown(&account.add_webhook(webhook), &shared)).into_response())
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Authenticated(account): Authenticated,
) -> Json<Value> {
    let all: Vec<Value> = account.webhooks().iter().map(|webhook| shown(webhook, &shared).0).collect();
    Json(json!({ "webhooks": all }))
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    account.webhook(&id).map(|webhook| shown(&webhook, &shared)).ok_or(Problem::NotFound)
}

pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let sent = object(&body)?;
    let changed = account.change_webhook(&id, |webhook| webhook.take(&sent));
    changed.map(|webhook| shown(&webhook, &shared)).ok_or(Problem::NotFound)
}

pub(super) async fn delete(
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    if account.remove_webhook(&id) { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NotFound) }
}

/// Sends the notifications of completed reports again.
pub(super) async fn resend(
    State(shared): State<Arc<Shared>>,
    Authenticated(account): Authenticated,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let sent = object(&body)?;
    let asked = sent.get("data").and_then(Value::as_array).ok_or(Problem::Invalid("data"))?;
    for one in asked {
        let report = account.resources().reports.find(text(one, "resource_id")?).cloned();
        let report = report.ok_or(Problem::Invalid("data"))?;
        for webhook in account.webhooks().into_iter().filter(|webhook| webhook.wants("report.completed")) {
            shared.notifier.send(&account.name, webhook, notification(&shared, &report));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn shown(webhook: &Webhook, shared: &Shared) -> Json<Value> {
    let mut shown = json!(webhook);
    merge(&mut shown, &json!({"href": shared.href("webhooks", &webhook.id)}));
    Json(shown)
}
