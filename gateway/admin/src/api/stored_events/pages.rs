//! The paths below `/events`.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, Response, StatusCode};
use kyc_delivery::Delivery;
use kyc_events::{Command, DISCARDED, EventStore, Filter, Progress, State, now};
use kyc_plugin_api::{AdminPages, Changed};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::parameters::{Refusal, bad, filter, unavailable};
use crate::api::answers::{error_answer, json_answer};
use crate::api::event_messages::{ChangeReport, DiscardEvents, EventSelection, Query, ReplayEvents};

/// Answers requests about stored events.
#[derive(Debug)]
pub struct EventPages {
    pub(super) delivery: Arc<Delivery>,
}

// === impl EventPages ===

impl EventPages {
    /// Creates the pages of the store that `delivery` delivers from.
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
        match self.operate(method, path, Query::parse(query)).await {
            Ok(response) => response,
            Err((status, reason)) => error_answer(status, &reason),
        }
    }

    fn describe(&self) -> Value {
        serde_json::from_str(OPENAPI).unwrap_or_default()
    }
}

impl EventPages {
    async fn operate(
        &self,
        method: &Method,
        path: &str,
        mut query: Query,
    ) -> Result<Response<Vec<u8>>, Refusal> {
        match (method.as_str(), path) {
            ("GET", "") => match query.flag("oldest").map_err(bad)? {
                true => self.oldest(query.read().map_err(bad)?).await.map(|list| shown(&list)),
                false => self.list(query.read().map_err(bad)?).await.map(|list| shown(&list)),
            },
            ("GET", "/summary") => {
                query.end().map_err(bad)?;
                self.summary().await.map(|summary| shown(&summary))
            }
            ("POST", "/replay") => {
                let ReplayEvents { selection, dry_run, rate } = query.read().map_err(bad)?;
                let per_second = i64::try_from(rate.unwrap_or(DEFAULT_RATE).max(1)).unwrap_or(i64::MAX);
                let now = now();
                let change = |filter, progress| Command::Replay { filter, now, per_second, progress };
                let report = self.change("replay", Reads::Bodies, (selection, dry_run), change).await;
                report.map(|report| changed(&report))
            }
            ("POST", "/discard") => {
                let DiscardEvents { selection, dry_run } = query.read().map_err(bad)?;
                let now = now();
                let change = |filter, progress| Command::Discard { filter, now, progress };
                let report = self.change("discard", Reads::Nothing, (selection, dry_run), change).await;
                report.map(|report| changed(&report))
            }
            ("POST", "/rekey") => self.rekey(query.read().map_err(bad)?).await.map(|report| changed(&report)),
            ("POST", "/reassign") => {
                self.reassign(query.read().map_err(bad)?).await.map(|report| changed(&report))
            }
            ("GET", path) => {
                query.end().map_err(bad)?;
                let uid = path.strip_prefix('/').and_then(|uid| Uuid::parse_str(uid).ok());
                let no_id = "no event has this id; `kyc-gateway events list` prints the ids";
                let uid = uid.ok_or_else(|| (StatusCode::NOT_FOUND, no_id.to_owned()))?;
                self.show(uid).await.map(|details| shown(&details))
            }
            _ => {
                query.end().map_err(bad)?;
                Err((StatusCode::METHOD_NOT_ALLOWED, "use GET to read and POST to change".to_owned()))
            }
        }
    }

    /// Changes all events that the filter selects; with `dry_run`, only counts them.
    async fn change(
        &self,
        action: &'static str,
        reads: Reads,
        (selection, dry_run): (EventSelection, bool),
        change: impl Fn(Filter, Progress) -> Command,
    ) -> Result<ChangeReport, Refusal> {
        let mut filter = filter(selection)?;
        if filter == Filter::default() {
            return Err((StatusCode::BAD_REQUEST, "a filter is required, such as tenant or uid".to_owned()));
        }
        if action == "discard" {
            // Only waiting events can be discarded.
            filter.state.get_or_insert(State::Waiting);
        }
        if filter.state.is_none() && filter.uid.is_none() {
            let reason = "state or uid is required, because delivered events would be sent again, too";
            return Err((StatusCode::BAD_REQUEST, reason.to_owned()));
        }
        // The operator cannot have meant events that arrive after the request.
        filter.until = Some(filter.until.map_or(now(), |until| until.min(now())));
        // An operator discarded these events on purpose: a change includes them only if it names the uid or the reason.
        if filter.uid.is_none() && filter.reason.is_none() {
            filter.not_reason = Some(DISCARDED);
        }
        let unknown_key = match reads {
            Reads::Bodies => self.without_unknown_keys(&mut filter).await?,
            Reads::Nothing => 0,
        };
        if dry_run {
            let events =
                self.store().reader().await.count(&filter).await.map_err(|error| unavailable(&error))?;
            return Ok(ChangeReport::Planned { would_change: events, unknown_key });
        }
        let pages = self.store().commit_queue().submit_pages(|progress| change(filter.clone(), progress));
        let events = pages.await.map_err(|error| unavailable(&error))?.changed;
        let (tenant, state) = (filter.tenant.as_deref(), filter.state.map(State::name));
        let uid = filter.uid.map(|uid| uid.to_string());
        tracing::info!(action, tenant, state, uid, events, "events changed by an operator");
        let held = match action {
            "replay" if events > 0 => {
                Some(self.probe_now(&filter).await.map_err(|error| unavailable(&error))?)
            }
            _ => None,
        };
        self.store().commit_queue().wake();
        Ok(ChangeReport::Made { changed: events, unknown_key, held })
    }

    /// Excludes the events that no configured key decrypts, and returns their number. If the filter names one by its uid,
    /// the request is refused with 409.
    pub(super) async fn without_unknown_keys(&self, filter: &mut Filter) -> Result<i64, Refusal> {
        let keyring = self.store().keyring().map_err(|error| unavailable(&error))?;
        let unknown = Filter { not_under: Some(keyring.key_ids()), ..filter.clone() };
        let events =
            self.store().reader().await.count(&unknown).await.map_err(|error| unavailable(&error))?;
        if filter.uid.is_some() && events > 0 {
            let reason = "the event is encrypted with a key that is not configured; add that key to the previous keys first";
            return Err((StatusCode::CONFLICT, reason.to_owned()));
        }
        filter.under = Some(keyring.key_ids());
        Ok(events)
    }
}

fn shown(answer: &impl Serialize) -> Response<Vec<u8>> {
    json_answer(StatusCode::OK, answer)
}

/// Builds the answer to a change, with the number of events for its audit record.
fn changed(report: &ChangeReport) -> Response<Vec<u8>> {
    let mut response = shown(report);
    if let ChangeReport::Made { changed, .. } = report
        && let Ok(count) = u64::try_from(*changed)
    {
        response.extensions_mut().insert(Changed(count));
    }
    response
}

/// Whether a change or the later delivery needs the bodies of the events.
#[derive(Clone, Copy)]
enum Reads {
    /// Replayed events are delivered again, so a configured key must decrypt their bodies.
    Bodies,
    Nothing,
}

/// How many replayed events become due per second by default.
const DEFAULT_RATE: usize = 100;
const OPENAPI: &str = include_str!("events.openapi.json");
