//! Lists stored events, and shows one with its attempts.

use http::StatusCode;
use kyc_events::{Cursor, Filter, State, Undelivered};
use uuid::Uuid;

use super::pages::EventPages;
use super::parameters::{Refusal, filter, unavailable};
use super::shown::{attempt, event};
use crate::api::event_messages::{
    EventDetails, EventList, ListEvents, ListUndelivered, UndeliveredEntry, UndeliveredList,
};

impl EventPages {
    pub(super) async fn list(&self, request: ListEvents) -> Result<EventList, Refusal> {
        let (filter, limit) = (filter(request.selection)?, limit(request.limit));
        let events = self
            .store()
            .reader()
            .await
            .list(&filter, limit + 1)
            .await
            .map_err(|error| unavailable(&error))?;
        Ok(EventList { events: events.iter().take(limit).map(event).collect(), more: events.len() > limit })
    }

    /// Lists undelivered events, oldest received first, after the cursor of an earlier list.
    pub(super) async fn oldest(&self, request: ListUndelivered) -> Result<UndeliveredList, Refusal> {
        let bad = |text: &str| (StatusCode::BAD_REQUEST, text.to_owned());
        let limit = limit(request.limit);
        let after = request.after.map(|text| {
            Cursor::parse(&text).ok_or_else(|| bad("after must be the `next` of an earlier list"))
        });
        let (after, filter) = (after.transpose()?, filter(request.selection)?);
        if matches!(filter.state, Some(State::Delivered | State::Dead)) {
            return Err(bad("oldest lists only undelivered events: state must be waiting or parked"));
        }
        let found = self.store().reader().await.undelivered(&filter, after, limit + 1).await;
        let found = found.map_err(|error| unavailable(&error))?;
        let events = found.iter().take(limit).map(aged).collect();
        let last = found.get(limit.wrapping_sub(1)).filter(|_| found.len() > limit);
        let next = last.map(|last| last.cursor.to_string());
        Ok(UndeliveredList { events, more: next.is_some(), next })
    }

    pub(super) async fn show(&self, uid: Uuid) -> Result<EventDetails, Refusal> {
        let mut reader = self.store().reader().await;
        let filter = Filter { uid: Some(uid), ..Filter::default() };
        let events = reader.list(&filter, 1).await.map_err(|error| unavailable(&error))?;
        let found = events.first().ok_or((StatusCode::NOT_FOUND, "no event has this id".to_owned()))?;
        let attempts = reader.attempts(uid).await.map_err(|error| unavailable(&error))?;
        Ok(EventDetails { event: event(found), tries: attempts.iter().map(attempt).collect() })
    }
}

/// An undelivered event, with its age.
fn aged(undelivered: &Undelivered) -> UndeliveredEntry {
    UndeliveredEntry { event: event(&undelivered.listed), age_s: undelivered.age / 1000 }
}

fn limit(wanted: Option<usize>) -> usize {
    wanted.unwrap_or(DEFAULT_LIMIT).min(LARGEST_LIMIT)
}

const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 1000;
