//! The routes of the simulated portal.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};

use super::shared::Shared;
use super::{control, keycloak, legacy};

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let base = shared.settings.base_path.as_str();
    let portal = Router::new()
        .route(&format!("{base}{}", legacy::LOGIN_PATH), post(legacy::log_in))
        .route(&format!("{base}{}", legacy::DELIVERY_PATH), post(legacy::call_action))
        .route(&format!("{base}{}/", legacy::DELIVERY_PATH), post(legacy::call_action))
        .route(&format!("{base}{}", keycloak::LOGIN_PATH), post(keycloak::log_in))
        .route(&format!("{base}{}", keycloak::DELIVERY_PATH), post(keycloak::act))
        .layer(middleware::from_fn_with_state(Arc::clone(shared), control::control));
    let inside = Router::new()
        .route("/_sandbox/mode", post(control::set_mode))
        .route("/_sandbox/expire", post(control::expire))
        .route("/_sandbox/events", get(events));
    inside.merge(portal).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(shared))
}

async fn events(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let shown: Vec<Value> = shared.deliveries.inspect(|deliveries| {
        let shown = |event: &[u8]| String::from_utf8_lossy(event).into_owned();
        deliveries
            .iter()
            .map(|delivery| {
                json!({
                    "tenant": delivery.tenant,
                    "action": delivery.action,
                    "event": shown(&delivery.event),
                })
            })
            .collect()
    });
    Json(json!({ "events": shown }))
}
