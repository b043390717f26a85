//! Webhooks: where an account's notifications go, and with which token they are signed.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::Shared;
use super::checks::notification;
use super::intake::{Sender, new_id, object, text};
use super::problem::Problem;

/// A registered webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// Its id, which goes into `webhook_ids`.
    pub id: String,
    /// Where notifications go. Onfido takes only https, this simulation also http.
    pub url: String,
    /// What notifications are signed with.
    pub token: String,
    /// Whether anything is sent.
    pub enabled: bool,
    /// What is sent; nothing named means everything.
    pub events: Vec<String>,
}

// === impl Webhook ===

impl Webhook {
    /// An enabled webhook for `report.completed` with a fresh id and token.
    pub(super) fn new(url: &str) -> Self {
        Self {
            id: new_id(),
            url: url.to_owned(),
            token: new_id().replace('-', ""),
            enabled: true,
            events: vec!["report.completed".to_owned()],
        }
    }

    pub(super) fn wants(&self, event: &str) -> bool {
        self.enabled && (self.events.is_empty() || self.events.iter().any(|wanted| wanted == event))
    }

    fn take(&mut self, sent: &Value) {
        if let Some(url) = sent.get("url").and_then(Value::as_str) {
            url.clone_into(&mut self.url);
        }
        if let Some(enabled) = sent.get("enabled").and_then(Value::as_bool) {
            self.enabled = enabled;
        }
        if let Some(events) = sent.get("events").and_then(Value::as_array) {
            self.events = events.iter().filter_map(|event| event.as_str().map(str::to_owned)).collect();
        }
    }

    fn shown(&self, shared: &Shared) -> Json<Value> {
        let mut shown = json!(self);
        super::shelf::merge(&mut shown, &json!({"href": shared.href("webhooks", &self.id)}));
        Json(shown)
    }
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Sender(account): Sender,
    body: Bytes,
) -> Result<Response, Problem> {
    let sent = object(&body)?;
    let mut webhook = Webhook { events: Vec::new(), ..Webhook::new(text(&sent, "url")?) };
    webhook.take(&sent);
    Ok((StatusCode::CREATED, account.add_webhook(webhook).shown(&shared)).into_response())
}

pub(super) async fn list(State(shared): State<Arc<Shared>>, Sender(account): Sender) -> Json<Value> {
    let all: Vec<Value> = account.webhooks().iter().map(|webhook| webhook.shown(&shared).0).collect();
    Json(json!({ "webhooks": all }))
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Sender(account): Sender,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    account.webhook(&id).map(|webhook| webhook.shown(&shared)).ok_or(Problem::NotFound)
}

pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    Sender(account): Sender,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let sent = object(&body)?;
    let changed = account.change_webhook(&id, |webhook| webhook.take(&sent));
    changed.map(|webhook| webhook.shown(&shared)).ok_or(Problem::NotFound)
}

pub(super) async fn delete(Sender(account): Sender, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    if account.remove_webhook(&id) { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NotFound) }
}

/// Sends the notifications of completed reports once more.
pub(super) async fn resend(
    State(shared): State<Arc<Shared>>,
    Sender(account): Sender,
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
