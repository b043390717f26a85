//! The stored events for operators: look, send again, give up.

mod export;
mod list;
mod reseal;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use kyc_delivery::Delivery;
use kyc_events::{
    Attempt, Change, DISCARDED, EventStore, Failure, Filter, Listed, Millis, Progress, State, StoreError, now,
};
use kyc_model::Correlation;
use kyc_plugin_api::{AdminPages, Changed};
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

pub use export::export;

/// A request that cannot be answered, with its status.
type Refusal = (StatusCode, String);

/// The pages of stored events.
#[derive(Debug)]
pub struct EventPages {
    delivery: Arc<Delivery>,
}

// === impl EventPages ===

impl EventPages {
    /// The pages of the store that `delivery` delivers from.
    pub fn new(delivery: Arc<Delivery>) -> Self {
        Self { delivery }
    }

    fn store(&self) -> &EventStore {
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
    async fn without_unknown_keys(&self, filter: &mut Filter) -> Result<i64, Refusal> {
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

/// A parameter that is true or false; false where it is absent.
fn flag(query: &mut BTreeMap<String, String>, key: &str) -> Result<bool, Refusal> {
    match query.remove(key).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err((StatusCode::BAD_REQUEST, format!("{key} is true or false"))),
    }
}

pub(crate) fn parameters(query: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The events that parameters mean, such as `tenant`, `state` and `since`.
///
/// # Errors
///
/// Which parameter has a value that it does not take, or is not known.
pub fn event_filter(mut parameters: BTreeMap<String, String>) -> Result<Filter, String> {
    let filter = filter(&mut parameters).map_err(|(_, reason)| reason)?;
    match parameters.keys().next() {
        Some(key) => Err(format!("`{key}` is no parameter of this")),
        None => Ok(filter),
    }
}

/// Takes the filter out of the parameters.
pub(crate) fn filter(query: &mut BTreeMap<String, String>) -> Result<Filter, Refusal> {
    let bad = |reason: String| (StatusCode::BAD_REQUEST, reason);
    if query.values().any(|value| value.contains('\0')) {
        return Err(bad("no value holds a NUL".to_owned()));
    }
    let uid = query
        .remove("uid")
        .map(|text| Uuid::parse_str(&text).map_err(|_| bad("uid is the id of an event".to_owned())));
    let state = query.remove("state").map(|text| {
        let named = State::ALL.into_iter().find(|state| state.name() == text);
        named.ok_or_else(|| bad("state is waiting, delivered, dead or parked".to_owned()))
    });
    let mut moment = |key: &str| {
        let text = query.remove(key);
        text.map(|text| {
            instant(&text).ok_or_else(|| {
                bad(format!("{key} is a time such as 2026-11-24T10:00:00Z, or 2h for two hours ago"))
            })
        })
        .transpose()
    };
    Ok(Filter {
        since: moment("since")?,
        until: moment("until")?,
        uid: uid.transpose()?,
        state: state.transpose()?,
        tenant: query.remove("tenant"),
        kind: query.remove("kind"),
        resource: query.remove("resource"),
        reason: query.remove("for"),
        not_reason: None,
        under: None,
        not_under: None,
    })
}

fn number(query: &mut BTreeMap<String, String>, key: &str) -> Result<Option<usize>, Refusal> {
    let text = query.remove(key);
    text.map(|text| text.parse().map_err(|_| (StatusCode::BAD_REQUEST, format!("{key} is a number"))))
        .transpose()
}

/// A time, or how long ago it was.
fn instant(text: &str) -> Option<Millis> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Some(now() - i64::try_from(ago.as_millis()).ok()?);
    }
    let since = humantime::parse_rfc3339_weak(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

fn time(at: Millis) -> String {
    let since = Duration::from_millis(u64::try_from(at).unwrap_or_default());
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}

/// A try as operators see it: without what the portal said.
pub(crate) fn attempt(attempt: &Attempt) -> Value {
    json!({
        "at": time(attempt.at),
        "took_ms": attempt.took_ms,
        "status": attempt.status,
        "error": attempt.error,
        "class": attempt.failure.map(Failure::name),
    })
}

pub(crate) fn event(listed: &Listed) -> Value {
    json!({
        "uid": listed.uid.to_string(),
        "tenant": listed.tenant,
        "kind": listed.kind,
        "resource": listed.resource,
        "state": listed.state.name(),
        "reason": listed.reason,
        "attempts": listed.attempts,
        "received": time(listed.received),
        "due": (listed.state == State::Waiting).then(|| time(listed.due)),
        "done": listed.done.map(time),
        "request_id": Correlation::parse(&listed.trace).request_id,
    })
}

fn away(error: &StoreError) -> Refusal {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 1000;
/// Replayed events that become due in a second.
const DEFAULT_RATE: usize = 100;
const OPENAPI: &str = include_str!("events.openapi.json");
