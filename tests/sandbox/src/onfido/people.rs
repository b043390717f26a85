//! Applicants, and SDK tokens for them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::collection::merge;
use super::extractors::{Authenticated, Parameters, object, text};
use super::ids::new_id;
use super::paging::page;
use super::problem::Problem;
use super::shared::Shared;
use crate::time;

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Authenticated(account): Authenticated,
    body: Bytes,
) -> Result<Response, Problem> {
    let sent = object(&body)?;
    text(&sent, "first_name")?;
    text(&sent, "last_name")?;
    let id = new_id();
    let mut applicant = json!({
        "id": id,
        "created_at": time::now(),
        "sandbox": true,
        "href": shared.href("applicants", &id),
        "id_numbers": [],
    });
    merge(&mut applicant, &sent);
    account.resources().applicants.put(&id, applicant.clone());
    Ok((StatusCode::CREATED, Json(applicant)).into_response())
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Authenticated(account): Authenticated,
    Query(query): Query<Parameters>,
) -> Response {
    let all = account.resources().applicants.list("id", None);
    page("applicants", &format!("{}{}/applicants", shared.origin, shared.settings.base_path), &all, &query)
}

pub(super) async fn show(
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    account.resources().applicants.find(&id).cloned().map(Json).ok_or(Problem::NotFound)
}

pub(super) async fn update(
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let sent = object(&body)?;
    account.resources().applicants.change(&id, &sent).cloned().map(Json).ok_or(Problem::NotFound)
}

pub(super) async fn delete(
    Authenticated(account): Authenticated,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    account.resources().applicants.remove(&id).map(|_| StatusCode::NO_CONTENT).ok_or(Problem::NotFound)
}

pub(super) async fn sdk_token(
    Authenticated(account): Authenticated,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let sent = object(&body)?;
    let applicant = text(&sent, "applicant_id")?;
    account.resources().applicants.find(applicant).ok_or(Problem::Invalid("applicant_id"))?;
    Ok(Json(json!({"token": format!("eyJhbGciOiJFUzUxMiJ9.{}.sandbox", new_id().replace('-', ""))})))
}
