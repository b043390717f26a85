//! Workflow runs, from creation to completion.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::account::Account;
use super::collection::merge;
use super::extractors::{Authenticated, object, text};
use super::ids::new_id;
use super::problem::Problem;
use super::shared::Shared;
use crate::time;

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Authenticated(account): Authenticated,
    body: Bytes,
) -> Result<Response, Problem> {
    let sent = object(&body)?;
    let applicant = text(&sent, "applicant_id")?;
    text(&sent, "workflow_id")?;
    account.resources().applicants.find(applicant).ok_or(Problem::Invalid("applicant_id"))?;
    let id = new_id();
    let mut run = json!({
        "id": id,
        "status": "processing",
        "workflow_version_id": 1,
        "dashboard_url": format!("https://dashboard.onfido.com/results/{id}"),
        "output": {},
        "reasons": [],
        "error": null,
        "tags": [],
        "sdk_token": format!("sdk-{id}"),
        "created_at": time::now(),
        "updated_at": time::now(),
    });
    merge(&mut run, &sent);
    account.resources().workflow_runs.put(&id, run.clone());
    tokio::spawn(async move {
        tokio::time::sleep(shared.settings.completion).await;
        complete(&shared, &account, &id);
    });
    Ok((StatusCode::CREATED, Json(run)).into_response())
}

pub(super) async fn show(
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    account.resources().workflow_runs.find(&id).cloned().map(Json).ok_or(Problem::NotFound)
}

/// Approves the run, and notifies all webhooks of the account: a run cannot choose any.
fn complete(shared: &Shared, account: &Account, id: &str) {
    let done = json!({"status": "approved", "output": {"decision": "clear"}, "updated_at": time::now()});
    let Some(run) = account.resources().workflow_runs.change(id, &done).cloned() else { return };
    for webhook in account.webhooks() {
        if webhook.wants("workflow_run.completed") {
            shared.notifier.send(&account.name, webhook.clone(), notification(shared, &run));
        }
    }
}

fn notification(shared: &Shared, run: &Value) -> Bytes {
    let member = |name: &str| run.get(name).cloned().unwrap_or_default();
    let mut resource = run.clone();
    if let Some(members) = resource.as_object_mut() {
        members.remove("sdk_token");
    }
    let id = run.get("id").and_then(Value::as_str).unwrap_or_default();
    let event = json!({"payload": {
        "resource_type": "workflow_run",
        "action": "workflow_run.completed",
        "object": {
            "id": id,
            "status": member("status"),
            "completed_at_iso8601": member("updated_at"),
            "href": shared.url("workflow_runs", id),
        },
        "resource": resource,
    }});
    Bytes::from(event.to_string())
}
