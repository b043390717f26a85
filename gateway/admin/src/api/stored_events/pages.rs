//! The paths below `/events`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use kyc_delivery::Delivery;
use kyc_events::{Change, DISCARDED, EventStore, Filter, Progress, State, now};
use kyc_plugin_api::{AdminPages, Changed};
use serde_json::{Value, json};
use uuid::Uuid;

use super::parameters::{Refusal, away, filter, flag, number, parameters};

/// The pages of stored events.
#[derive(Debug)]
pub struct EventPages {
    pub(super) delivery: Arc<Delivery>,
}

// === impl EventPages ===

impl EventPages {
    /// The pages of the store that `delivery` delivers from.
    pub fn new(delivery: Arc<Delivery>) -> Self {
        Self { delivery }
    }

    pub(super) fn store(&self) -> &EventStore {
        self.delivery.store()
    }
}

#[async_trait]
impl AdminPages for EventPages {
    fn name(&self) -> &'static str {
        "events"
    }

    async fn answer(&self, method: &Method, path: &str, query: &str) -> Response<Vec<u8>> {
        let (status, value) = match self.operate(method, path, query).await {
            Ok(value) => (StatusCode::OK, value),
            Err((status, reason)) => (status, json!({ "error": reason })),
        };
        let changed = value.get("changed").and_then(Value::as_u64).map(Changed);
        let mut response = Response::new(format!("{value}\n").into_bytes());
        *response.status_mut() = status;
        changed.and_then(|changed| response.extensions_mut().insert(changed));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }

    fn describe(&self) -> Value {
        serde_json::from_str(OPENAPI).unwrap_or_default()
    }
}

impl EventPages {
    async fn operate(&self, method: &Method, path: &str, query: &str) -> Result<Value, Refusal> {
        let mut query = parameters(query);
        let answer = match (method.as_str(), path) {
            ("GET", "") => {
                let limit = number(&mut query, "limit")?.unwrap_or(DEFAULT_LIMIT).min(LARGEST_LIMIT);
                match flag(&mut query, "oldest")? {
                    true => self.oldest(&mut query, limit).await,
                    false => self.list(filter(&mut query)?, limit).await,
                }
            }
            ("GET", "/summary") => self.summary().await,
            ("POST", "/replay") => {
                let rate = number(&mut query, "rate")?.unwrap_or(DEFAULT_RATE).max(1);
                let per_second = i64::try_from(rate).unwrap_or(i64::MAX);
                let now = now();
                let change = |filter, progress| Change::Replay { filter, now, per_second, progress };
                self.change("replay", Reads::Bodies, &mut query, change).await
            }
            ("POST", "/discard") => {
                let now = now();
                let change = |filter, progress| Change::Discard { filter, now, progress };
                self.change("discard", Reads::Nothing, &mut query, change).await
            }
            ("POST", "/rekey") => self.rekey(&mut query).await,
            ("POST", "/reassign") => self.reassign(&mut query).await,
            ("GET", path) => match path.strip_prefix('/').and_then(|uid| Uuid::parse_str(uid).ok()) {
                Some(uid) => self.show(uid).await,
                None => {
                    Err((StatusCode::NOT_FOUND, "an event has an id such as events list shows".to_owned()))
                }
            },
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "GET to look, POST to change".to_owned())),
        };
        match query.keys().next() {
            Some(key) => Err((StatusCode::BAD_REQUEST, format!("`{key}` is no parameter of this"))),
            None => answer,
        }
    }

    /// Changes all events that fit, or with `dry_run` says how many would be.
    async fn change(
        &self,
        action: &'static str,
        reads: Reads,
        query: &mut BTreeMap<String, String>,
        change: impl Fn(Filter, Progress) -> Change,
    ) -> Result<Value, Refusal> {
        let dry_run = flag(query, "dry_run")?;
        let mut filter = filter(query)?;
        if filter == Filter::default() {
            return Err((StatusCode::BAD_REQUEST, "say which events: a filter is needed".to_owned()));
        }
        if action == "discard" {
            // Only what waits can be given up.
            filter.state.get_or_insert(State::Waiting);
        }
        if filter.state.is_none() && filter.uid.is_none() {
            let reason = "say which state they are in, or one uid: delivered events are sent again, too";
            return Err((StatusCode::BAD_REQUEST, reason.to_owned()));
        }
        if !query.is_empty() {
            // A misspelt filter must not mean more events than were meant.
            return Ok(Value::Null);
        }
        // What comes in from now on was not meant.
        filter.until = Some(filter.until.map_or(now(), |until| until.min(now())));
        // Somebody did not want them; whoever does names them, or their reason.
        if filter.uid.is_none() && filter.reason.is_none() {
            filter.not_reason = Some(DISCARDED);
        }
        let unknown_key = match reads {
            Reads::Bodies => self.without_unknown_keys(&mut filter).await?,
            Reads::Nothing => 0,
        };
        if dry_run {
            let events = self.store().reader().await.count(&filter).await.map_err(|error| away(&error))?;
            return Ok(json!({ "would_change": events, "unknown_key": unknown_key }));
        }
        let pages = self.store().inbox().change_all(|progress| change(filter.clone(), progress));
        let events = pages.await.map_err(|error| away(&error))?.changed;
        let (tenant, state) = (filter.tenant.as_deref(), filter.state.map(State::name));
        let uid = filter.uid.map(|uid| uid.to_string());
        tracing::info!(action, tenant, state, uid, events, "events changed by an operator");
        let mut answer = json!({ "changed": events, "unknown_key": unknown_key });
        if action == "replay"
            && events > 0
            && let Some(members) = answer.as_object_mut()
        {
            let held = self.ask_now(&filter).await.map_err(|error| away(&error))?;
            members.insert("held".to_owned(), held);
        }
        self.store().inbox().wake();
        Ok(answer)
    }

    /// Leaves out what cannot be opened, and says how many events that are; one that was named is refused.
    pub(super) async fn without_unknown_keys(&self, filter: &mut Filter) -> Result<i64, Refusal> {
        let keyring = self.store().keyring().map_err(|error| away(&error))?;
        let unknown = Filter { not_under: Some(keyring.key_ids()), ..filter.clone() };
        let events = self.store().reader().await.count(&unknown).await.map_err(|error| away(&error))?;
        if filter.uid.is_some() && events > 0 {
            let reason =
                "the event is sealed with a key that is not configured: give it as a previous key first";
            return Err((StatusCode::CONFLICT, reason.to_owned()));
        }
        filter.under = Some(keyring.key_ids());
        Ok(events)
    }
}

/// What a change needs of the events.
#[derive(Clone, Copy)]
enum Reads {
    /// Their bodies, sooner or later.
    Bodies,
    Nothing,
}

const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 1000;
/// Replayed events that become due in a second.
const DEFAULT_RATE: usize = 100;
const OPENAPI: &str = include_str!("events.openapi.json");
