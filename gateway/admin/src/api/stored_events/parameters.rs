//! Parameters of requests about stored events.

use std::time::UNIX_EPOCH;

use http::StatusCode;
use kyc_events::{Filter, Millis, State, StoreError, now};
use uuid::Uuid;

use crate::api::event_messages::EventSelection;

/// A request that cannot be answered, with its status.
pub(super) type Refusal = (StatusCode, String);

/// The filter of a selection.
///
/// # Errors
///
/// Which value is not accepted.
pub fn event_filter(selection: EventSelection) -> Result<Filter, String> {
    filter(selection).map_err(|(_, reason)| reason)
}

/// A request that is not accepted.
pub(super) fn bad(reason: String) -> Refusal {
    (StatusCode::BAD_REQUEST, reason)
}

/// Reads the values of a selection.
pub(super) fn filter(selection: EventSelection) -> Result<Filter, Refusal> {
    if selection.parameters().iter().any(|(_, value)| value.contains('\0')) {
        return Err(bad("no value holds a NUL".to_owned()));
    }
    let EventSelection { tenant, state, kind, resource, since, until, reason, uid } = selection;
    let uid = uid.map(|text| Uuid::parse_str(&text).map_err(|_| bad("uid is the id of an event".to_owned())));
    let state = state.map(|text| {
        let named = State::ALL.into_iter().find(|state| state.name() == text);
        named.ok_or_else(|| bad("state is waiting, delivered, dead or parked".to_owned()))
    });
    let moment = |key: &str, text: Option<String>| {
        text.map(|text| {
            instant(&text).ok_or_else(|| {
                bad(format!("{key} is a time such as 2026-11-24T10:00:00Z, or 2h for two hours ago"))
            })
        })
        .transpose()
    };
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

/// A store that cannot be asked.
pub(super) fn away(error: &StoreError) -> Refusal {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

/// A time, or how long ago it was.
fn instant(text: &str) -> Option<Millis> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Some(now() - i64::try_from(ago.as_millis()).ok()?);
    }
    let since = humantime::parse_rfc3339_weak(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
