//! Converts stored events to the answers of the API, without bodies and portal answers.

use std::time::{Duration, SystemTime};

use kyc_events::{Attempt, Failure, ListedEvent, Millis, State};
use kyc_model::Correlation;

use crate::api::event_messages::{AttemptEntry, EventEntry};

/// Converts an attempt; the body of the portal's answer is left out.
pub(super) fn attempt(attempt: &Attempt) -> AttemptEntry {
    AttemptEntry {
        at: time(attempt.at),
        took_ms: attempt.took_ms,
        status: attempt.status,
        error: attempt.error.clone(),
        class: attempt.failure.map(|failure| Failure::name(failure).to_owned()),
    }
}

/// Converts an event; its body is left out.
pub(super) fn event(listed: &ListedEvent) -> EventEntry {
    EventEntry {
        uid: listed.uid.to_string(),
        tenant: listed.tenant.clone(),
        kind: listed.kind.clone(),
        resource: listed.resource.clone(),
        state: listed.state.name().to_owned(),
        reason: listed.reason.clone(),
        attempts: listed.attempts,
        received: time(listed.received),
        due: (listed.state == State::Waiting).then(|| time(listed.due)),
        done: listed.done.map(time),
        request_id: Correlation::parse(&listed.trace).request_id,
    }
}

/// Formats a time (RFC 3339).
pub(in crate::api) fn time(at: Millis) -> String {
    let since = Duration::from_millis(u64::try_from(at).unwrap_or_default());
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}
