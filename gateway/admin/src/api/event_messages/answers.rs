//! Answers about stored events. Times are texts (RFC 3339).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Events, the newest first.
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
    /// The action of the notification.
    pub kind: String,
    /// The id of what it is about.
    pub resource: Option<String>,
    /// `waiting`, `delivered`, `dead` or `parked`.
    pub state: String,
    /// Why it is dead or parked.
    pub reason: Option<String>,
    /// Finished tries.
    pub attempts: u32,
    /// When it was received.
    pub received: String,
    /// When it is tried next, while it waits.
    pub due: Option<String>,
    /// When it was delivered, died or was parked.
    pub done: Option<String>,
    /// The id of the request that brought it.
    pub request_id: String,
}

/// Undelivered events, the oldest by receipt first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct UndeliveredList {
    /// The events.
    pub events: Vec<UndeliveredEntry>,
    /// Whether there are more of them.
    pub more: bool,
    /// Where the list goes on; absent at its end.
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

/// One event and every try to deliver it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct EventDetails {
    /// The event.
    #[serde(flatten)]
    pub event: EventEntry,
    /// The tries, in order.
    pub tries: Vec<TryEntry>,
}

/// A try to deliver an event, without what the portal said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct TryEntry {
    /// When it began.
    pub at: String,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// The portal's status, when it answered.
    pub status: Option<u16>,
    /// What went wrong; absent for a success.
    pub error: Option<String>,
    /// The kind of failure.
    pub class: Option<String>,
}

/// How the events of each tenant stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct EventSummary {
    /// Whether the gateway that answers delivers.
    pub dispatcher: DispatcherEntry,
    /// One entry for each tenant.
    pub tenants: Vec<TenantEvents>,
}

/// Whether a gateway delivers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct DispatcherEntry {
    /// `running`, `held`, `stalled` or `not_running`.
    pub state: String,
    /// Why it does not run.
    pub reason: Option<String>,
    /// When it last ended a round.
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
    /// What holds its deliveries.
    pub held: Option<HoldEntry>,
    /// How many are parked for each reason.
    pub parked_for: BTreeMap<String, i64>,
}

/// What holds deliveries, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct HoldEntry {
    /// The cause.
    pub reason: String,
    /// Since when.
    pub since: Option<String>,
    /// Until when; absent while the portal is being asked.
    pub until: Option<String>,
    /// The error that the deliveries met.
    pub error: Option<String>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum ChangeReport {
    /// It was made.
    Made {
        /// How many events were changed.
        changed: i64,
        /// How many were left, because their key is not configured.
        #[serde(default)]
        unknown_key: i64,
        /// Which tenants' deliveries are held, when events were replayed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Vec<TenantHold>>,
    },
    /// It was not made (`dry_run`).
    Planned {
        /// How many events would be changed.
        would_change: i64,
        /// How many would be left, because their key is not configured.
        #[serde(default)]
        unknown_key: i64,
    },
}

/// What holds the deliveries of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct TenantHold {
    /// What holds them.
    #[serde(flatten)]
    pub hold: HoldEntry,
    /// The tenant's name.
    pub tenant: String,
    /// Whether its portal is asked at once.
    pub asked_now: bool,
}

#[cfg(test)]
mod tests;
