//! Parameters of requests about stored events.

use std::time::UNIX_EPOCH;

use http::StatusCode;
use kyc_events::{Filter, Millis, State, StoreError, now};
use uuid::Uuid;

use crate::api::event_messages::EventSelection;

/// Why a request is refused: the status and the message of the answer.
pub(in crate::api) type Refusal = (StatusCode, String);

/// Parses a selection into a filter.
///
/// # Errors
///
/// A message that names the invalid value.
pub fn event_filter(selection: EventSelection) -> Result<Filter, String> {
    filter(selection).map_err(|(_, reason)| reason)
}

/// Builds the refusal of an invalid request: 400.
pub(in crate::api) fn bad(reason: String) -> Refusal {
    (StatusCode::BAD_REQUEST, reason)
}

/// Parses a selection into a filter; an invalid value is refused with 400.
pub(super) fn filter(selection: EventSelection) -> Result<Filter, Refusal> {
    if selection.parameters().iter().any(|(_, value)| value.contains('\0')) {
        return Err(bad("a value contains a NUL character".to_owned()));
    }
    let EventSelection { tenant, state, kind, resource, since, until, reason, uid } = selection;
    let uid = uid.map(|text| Uuid::parse_str(&text).map_err(|_| bad("uid is the id of an event".to_owned())));
    let state = state.map(|text| {
        let named = State::ALL.into_iter().find(|state| state.name() == text);
        named.ok_or_else(|| bad("state is waiting, delivered, dead or parked".to_owned()))
    });
    Ok(Filter {
        since: moment("since", since)?,
        until: moment("until", until)?,
        uid: uid.transpose()?,
        state: state.transpose()?,
        tenant,
        kind,
        resource,
        reason,
        not_reason: None,
        under: None,
        not_under: None,
    })
}

/// Builds the refusal for a store that cannot be read or written: 503.
pub(in crate::api) fn unavailable(error: &StoreError) -> Refusal {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

/// Parses an optional time, or a duration before now; an invalid one is refused with 400.
pub(in crate::api) fn moment(key: &str, text: Option<String>) -> Result<Option<Millis>, Refusal> {
    let parsed = text.map(|text| {
        instant(&text).ok_or_else(|| {
            bad(format!("{key} is a time such as 2026-11-24T10:00:00Z, or 2h for two hours ago"))
        })
    });
    parsed.transpose()
}

/// Parses a time, or a duration before now.
fn instant(text: &str) -> Option<Millis> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Some(now() - i64::try_from(ago.as_millis()).ok()?);
    }
    let since = humantime::parse_rfc3339_weak(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
