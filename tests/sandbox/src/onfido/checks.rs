//! Checks and their reports, from creation to completion.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::account::Account;
use super::collection::merge;
use super::completion::Completion;
use super::extractors::{Authenticated, Parameters, object, text};
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
    let names = report_names(&sent)?;
    account.resources().applicants.find(applicant).ok_or(Problem::Invalid("applicant_id"))?;
    let id = new_id();
    let reports: Vec<String> = names.iter().map(|name| report(&shared, &account, &id, name)).collect();
    let mut check = json!({
        "id": id,
        "created_at": time::now(),
        "status": "in_progress",
        "sandbox": true,
        "paused": false,
        "version": "3.6",
        "tags": [],
        "report_ids": reports,
        "applicant_provides_data": false,
        "results_uri": format!("https://dashboard.onfido.com/checks/{id}"),
        "href": shared.href("checks", &id),
    });
    merge(&mut check, &sent);
    account.resources().checks.put(&id, check.clone());
    if sent.get("asynchronous") == Some(&Value::Bool(false)) {
        tokio::time::sleep(shared.settings.synchronous_answer).await;
        complete(&shared, &account, &id);
        check = account.resources().checks.find(&id).cloned().unwrap_or(check);
    } else {
        tokio::spawn(async move {
            tokio::time::sleep(shared.settings.completion).await;
            complete(&shared, &account, &id);
        });
    }
    Ok((StatusCode::CREATED, Json(check)).into_response())
}

pub(super) async fn list(
    Authenticated(account): Authenticated,
    Query(query): Query<Parameters>,
) -> Json<Value> {
    Json(json!({"checks": account.resources().checks.list("applicant_id", query.get("applicant_id"))}))
}

pub(super) async fn show(
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    account.resources().checks.find(&id).cloned().map(Json).ok_or(Problem::NotFound)
}

pub(super) async fn download(
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    account.resources().checks.find(&id).ok_or(Problem::NotFound)?;
    Ok(([(CONTENT_TYPE, "application/pdf")], PDF).into_response())
}

pub(super) async fn list_reports(
    Authenticated(account): Authenticated,
    Query(query): Query<Parameters>,
) -> Json<Value> {
    Json(json!({"reports": account.resources().reports.list("check_id", query.get("check_id"))}))
}

pub(super) async fn show_report(
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    account.resources().reports.find(&id).cloned().map(Json).ok_or(Problem::NotFound)
}

/// The body of the notification about a completed report. Every call returns the same bytes, like Onfido's retries.
pub(super) fn notification(shared: &Shared, report: &Value) -> Bytes {
    let member = |name: &str| report.get(name).cloned().unwrap_or_default();
    let href = report.get("href").and_then(Value::as_str).unwrap_or_default();
    let event = json!({"payload": {
        "resource_type": "report",
        "action": "report.completed",
        "object": {
            "id": member("id"),
            "status": "complete",
            "completed_at_iso8601": member("completed_at"),
            "href": format!("{}{href}", shared.origin),
        },
    }});
    Bytes::from(event.to_string())
}

fn report_names(sent: &Value) -> Result<Vec<String>, Problem> {
    let names = sent.get("report_names").and_then(Value::as_array).ok_or(Problem::Invalid("report_names"))?;
    let names: Vec<String> = names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    if names.is_empty() { Err(Problem::Invalid("report_names")) } else { Ok(names) }
}

fn report(shared: &Shared, account: &Account, check: &str, name: &str) -> String {
    let id = new_id();
    let report = json!({
        "id": id,
        "created_at": time::now(),
        "name": name,
        "status": "awaiting_data",
        "check_id": check,
        "documents": [],
        "breakdown": {},
        "properties": {},
        "href": shared.href("reports", &id),
    });
    account.resources().reports.put(&id, report);
    id
}

/// Completes the check and its reports, and notifies the webhooks in the check's `webhook_ids`; without any, all webhooks.
fn complete(shared: &Shared, account: &Account, check: &str) {
    let (reports, chosen) = {
        let mut resources = account.resources();
        resources.checks.change(check, &json!({"status": "complete", "result": "clear"}));
        let chosen = resources.checks.find(check).and_then(|check| check.get("webhook_ids")).cloned();
        let done = json!({"status": "complete", "result": "clear", "completed_at": time::now()});
        let reports = resources.reports.list("check_id", Some(&check.to_owned()));
        let reports: Vec<Value> = reports
            .iter()
            .filter_map(|report| {
                let id = report.get("id")?.as_str()?;
                resources.reports.change(id, &done).cloned()
            })
            .collect();
        (reports, chosen)
    };
    let chosen = chosen.as_ref().and_then(Value::as_array);
    let is_chosen = |id: &str| chosen.is_none_or(|chosen| chosen.iter().any(|one| one.as_str() == Some(id)));
    let webhooks = account.webhooks().into_iter();
    let webhooks: Vec<_> =
        webhooks.filter(|webhook| is_chosen(&webhook.id) && webhook.wants("report.completed")).collect();
    for report in &reports {
        let body = notification(shared, report);
        let report = report.get("id").and_then(Value::as_str).unwrap_or_default();
        if shared.is_notified(&Completion { account: &account.name, check, report, notification: &body }) {
            for webhook in &webhooks {
                shared.notifier.send(&account.name, webhook.clone(), body.clone());
            }
        }
    }
}

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
