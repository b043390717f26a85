//! Parameters of requests about stored events.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use http::StatusCode;
use kyc_events::{Filter, Millis, State, StoreError, now};
use url::form_urlencoded;
use uuid::Uuid;

/// A request that cannot be answered, with its status.
pub(super) type Refusal = (StatusCode, String);

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
pub(super) fn filter(query: &mut BTreeMap<String, String>) -> Result<Filter, Refusal> {
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

/// A parameter that is true or false; false where it is absent.
pub(super) fn flag(query: &mut BTreeMap<String, String>, key: &str) -> Result<bool, Refusal> {
    match query.remove(key).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err((StatusCode::BAD_REQUEST, format!("{key} is true or false"))),
    }
}

pub(super) fn parameters(query: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

pub(super) fn number(query: &mut BTreeMap<String, String>, key: &str) -> Result<Option<usize>, Refusal> {
    let text = query.remove(key);
    text.map(|text| text.parse().map_err(|_| (StatusCode::BAD_REQUEST, format!("{key} is a number"))))
        .transpose()
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
