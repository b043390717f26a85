//! The routes of the simulated Onfido.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum::{Json, Router, middleware};
use http::header::{DATE, LOCATION};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::authentication::authenticate;
use super::files::Kind;
use super::ids::new_id;
use super::problem::Problem;
use super::request::Shown;
use super::shared::Shared;
use super::{checks, echo, people, webhooks, workflow_runs};

type Routes = Router<Arc<Shared>>;

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let base = shared.settings.base_path.as_str();
    let mut routes = Router::new()
        .route(&format!("{base}/ping"), get(|| async { "OK" }))
        .route(&format!("{base}/sdk_token"), post(people::sdk_token))
        .route(&format!("{base}/sdk_token/"), post(people::sdk_token))
        .route(&format!("{base}/checks/{{id}}/download"), get(checks::download))
        .route(&format!("{base}/webhooks/resend"), post(webhooks::resend))
        .route(&format!("{base}/workflow_runs"), post(workflow_runs::create))
        .route(&format!("{base}/workflow_runs/{{id}}"), get(workflow_runs::show))
        .route(&format!("{base}/workflow_runs/{{id}}/signed_evidence_file"), get(evidence))
        .route(&format!("{base}/watchlist_monitors/{{id}}/new_report"), post(new_report))
        .route(&format!("{base}/echo"), any(echo::echo))
        .route(&format!("{base}/echo/{{*rest}}"), any(echo::echo));
    let applicant = get(people::show).put(people::update).delete(people::delete);
    routes = collection(routes, base, "applicants", get(people::list).post(people::create), applicant);
    routes = collection(routes, base, "checks", get(checks::list).post(checks::create), get(checks::show));
    routes = collection(routes, base, "reports", get(checks::list_reports), get(checks::show_report));
    let webhook = get(webhooks::show).put(webhooks::update).delete(webhooks::delete);
    routes = collection(routes, base, "webhooks", get(webhooks::list).post(webhooks::create), webhook);
    routes = files(routes, base, Kind::Documents);
    routes = files(routes, base, Kind::LivePhotos);
    let guarded = routes
        .fallback(|| async { Problem::NotFound })
        .layer(middleware::from_fn_with_state(Arc::clone(shared), authenticate))
        .layer(middleware::map_response_with_state(Arc::clone(shared), dated));
    let inside = Router::new().route("/_sandbox/requests", get(requests));
    inside.merge(guarded).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(shared))
}

/// The routes of a collection, with and without the trailing slash that old clients send, and of its resources.
fn collection(
    routes: Routes,
    base: &str,
    name: &str,
    all: MethodRouter<Arc<Shared>>,
    one: MethodRouter<Arc<Shared>>,
) -> Routes {
    routes
        .route(&format!("{base}/{name}"), all.clone())
        .route(&format!("{base}/{name}/"), all)
        .route(&format!("{base}/{name}/{{id}}"), one)
}

fn files(routes: Routes, base: &str, kind: Kind) -> Routes {
    let all = get(move |sender, query| kind.list(sender, query))
        .post(move |state, sender, parts| kind.upload(state, sender, parts));
    let one = get(move |sender, id| kind.show(sender, id));
    let name = kind.collection();
    collection(routes, base, name, all, one).route(
        &format!("{base}/{name}/{{id}}/download"),
        get(move |sender, id, query| kind.download(sender, id, query)),
    )
}

/// Adds this Onfido's time to a response.
async fn dated(State(shared): State<Arc<Shared>>, mut response: Response) -> Response {
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(shared.now())) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// Redirects to a file store on another host, with a signature in the query, like Onfido.
async fn evidence(Path(id): Path<String>) -> impl IntoResponse {
    let location = format!("https://files.example/evidence/{id}.pdf?expires=1700000000&signature=c2FuZGJveA");
    (StatusCode::FOUND, [(LOCATION, location)])
}

/// One of the few responses with a `Location` on Onfido's own host.
async fn new_report(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> impl IntoResponse {
    let location = shared.url("watchlist_monitors", &id);
    (StatusCode::CREATED, [(LOCATION, location)], Json(json!({"id": new_id()})))
}

async fn requests(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let shown: Vec<Shown> = shared.requests.inspect(|requests| requests.iter().map(Shown::from).collect());
    Json(json!({ "requests": shown }))
}
