//! Answers about stored events. Times are texts (RFC 3339).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Events, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct EventList {
    /// The events.
    pub events: Vec<EventEntry>,
    /// Whether there are more of them.
    pub more: bool,
}

/// An event without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct EventEntry {
    /// Its id.
    pub uid: String,
    /// The tenant's name at receipt.
    pub tenant: String,
    /// The kind of event (the action of the notification), such as `report.completed`.
    pub kind: String,
    /// The id of the resource, such as a check.
    pub resource: Option<String>,
    /// `waiting`, `delivered`, `dead` or `parked`.
    pub state: String,
    /// The reason why it is dead or parked.
    pub reason: Option<String>,
    /// The number of finished attempts.
    pub attempts: u32,
    /// When it was received.
    pub received: String,
    /// The time of the next attempt, while it is waiting.
    pub due: Option<String>,
    /// The time when it became delivered, dead or parked.
    pub done: Option<String>,
    /// The id of the request in which the gateway received it.
    pub request_id: String,
}

/// Undelivered events, oldest received first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct UndeliveredList {
    /// The events.
    pub events: Vec<UndeliveredEntry>,
    /// Whether there are more of them.
    pub more: bool,
    /// The cursor of the next page; absent on the last one.
    pub next: Option<String>,
}

/// An undelivered event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct UndeliveredEntry {
    /// The event.
    #[serde(flatten)]
    pub event: EventEntry,
    /// Seconds since its receipt.
    pub age_s: i64,
}

/// One event and every attempt to deliver it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct EventDetails {
    /// The event.
    #[serde(flatten)]
    pub event: EventEntry,
    /// The attempts, oldest first.
    pub tries: Vec<AttemptEntry>,
}

/// An attempt to deliver an event, without the body of the portal's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct AttemptEntry {
    /// When it began.
    pub at: String,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// The portal's status, when it answered.
    pub status: Option<u16>,
    /// The error; absent for a success.
    pub error: Option<String>,
    /// The kind of failure.
    pub class: Option<String>,
}

/// The events of each tenant by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct EventSummary {
    /// Whether the gateway that answers delivers events.
    pub dispatcher: DispatcherEntry,
    /// One entry for each tenant.
    pub tenants: Vec<TenantEvents>,
}

/// The state of a gateway's dispatcher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct DispatcherEntry {
    /// `running`, `held`, `stalled` or `not_running`.
    pub state: String,
    /// The reason why it does not run.
    pub reason: Option<String>,
    /// The end of its last round.
    pub heartbeat: Option<String>,
}

/// The events of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct TenantEvents {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// How many wait.
    pub waiting: i64,
    /// How many are parked.
    pub parked: i64,
    /// How many are dead.
    pub dead: i64,
    /// How many are delivered.
    pub delivered: i64,
    /// Seconds since the receipt of the oldest undelivered one.
    pub oldest_age_s: Option<i64>,
    /// When the next one is due.
    pub next_due: Option<String>,
    /// Why and until when its deliveries are held.
    pub held: Option<HoldEntry>,
    /// The number of parked events for each reason.
    pub parked_for: BTreeMap<String, i64>,
}

/// Why and until when deliveries are held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct HoldEntry {
    /// The reason of the hold, such as `login_refused`.
    pub reason: String,
    /// The beginning of the hold.
    pub since: Option<String>,
    /// The time of the next probe; absent while the portal is probed.
    pub until: Option<String>,
    /// The error of the last delivery or login.
    pub error: Option<String>,
}

/// The result of a change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum ChangeReport {
    /// The events were changed.
    Made {
        /// How many events were changed.
        changed: i64,
        /// How many were not changed, because the key that they are encrypted with is not configured.
        #[serde(default)]
        unknown_key: i64,
        /// Which tenants' deliveries are held, when events were replayed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Vec<TenantHold>>,
    },
    /// The events were only counted (`dry_run`).
    Planned {
        /// How many events would be changed.
        would_change: i64,
        /// How many would not be changed, because the key that they are encrypted with is not configured.
        #[serde(default)]
        unknown_key: i64,
    },
}

/// Why and until when the deliveries of a tenant are held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct TenantHold {
    /// The hold.
    #[serde(flatten)]
    pub hold: HoldEntry,
    /// The tenant's name.
    pub tenant: String,
    /// Whether its portal is probed at once.
    pub asked_now: bool,
}

#[cfg(test)]
mod tests;
