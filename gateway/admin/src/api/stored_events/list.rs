//! Stored events as operators see them: lists, and one with its tries.

use std::collections::BTreeMap;

use http::StatusCode;
use kyc_events::{Cursor, Filter, State, Undelivered};
use serde_json::{Value, json};
use uuid::Uuid;

use super::pages::EventPages;
use super::parameters::{Refusal, away, filter};
use super::shown::{attempt, event};

impl EventPages {
    pub(super) async fn list(&self, filter: Filter, limit: usize) -> Result<Value, Refusal> {
        let events =
            self.store().reader().await.list(&filter, limit + 1).await.map_err(|error| away(&error))?;
        let shown: Vec<Value> = events.iter().take(limit).map(event).collect();
        Ok(json!({ "events": shown, "more": events.len() > limit }))
    }

    /// Lists what is not delivered, the oldest by receipt first, behind the cursor of an earlier list.
    pub(super) async fn oldest(
        &self,
        query: &mut BTreeMap<String, String>,
        limit: usize,
    ) -> Result<Value, Refusal> {
        let bad = |text: &str| (StatusCode::BAD_REQUEST, text.to_owned());
        let after = query
            .remove("after")
            .map(|text| Cursor::parse(&text).ok_or_else(|| bad("after is the `next` of an earlier list")));
        let (after, filter) = (after.transpose()?, filter(query)?);
        if matches!(filter.state, Some(State::Delivered | State::Dead)) {
            return Err(bad("oldest lists undelivered events: those that are waiting or parked"));
        }
        let found = self.store().reader().await.undelivered(&filter, after, limit + 1).await;
        let found = found.map_err(|error| away(&error))?;
        let shown: Vec<Value> = found.iter().take(limit).map(aged).collect();
        let last = found.get(limit.wrapping_sub(1)).filter(|_| found.len() > limit);
        let next = last.map(|last| last.cursor.to_string());
        Ok(json!({ "events": shown, "more": next.is_some(), "next": next }))
    }

    pub(super) async fn show(&self, uid: Uuid) -> Result<Value, Refusal> {
        let mut reader = self.store().reader().await;
        let filter = Filter { uid: Some(uid), ..Filter::default() };
        let events = reader.list(&filter, 1).await.map_err(|error| away(&error))?;
        let found = events.first().ok_or((StatusCode::NOT_FOUND, "there is no such event".to_owned()))?;
        let attempts = reader.attempts(uid).await.map_err(|error| away(&error))?;
        let tries: Vec<Value> = attempts.iter().map(attempt).collect();
        let mut shown = event(found);
        if let Some(members) = shown.as_object_mut() {
            members.insert("tries".to_owned(), Value::Array(tries));
        }
        Ok(shown)
    }
}

/// An undelivered event, with its age.
fn aged(undelivered: &Undelivered) -> Value {
    let mut shown = event(&undelivered.listed);
    if let Some(members) = shown.as_object_mut() {
        members.insert("age_s".to_owned(), (undelivered.age / 1000).into());
    }
    shown
}
