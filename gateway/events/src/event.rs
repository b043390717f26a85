//! Stored events, and their views for operators and metrics.

use uuid::Uuid;

use crate::{Attempt, Claim, DeadReason, Dedup, Millis, Owner, Sealed, State};

/// A new event to be stored.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its id for operators and portals.
    pub uid: Uuid,
    /// The owner at receipt; each attempt looks up the current recipient.
    pub owner: Owner,
    /// The deduplication key.
    pub dedup: Dedup,
    /// `payload.action`; empty for a body that has none.
    pub kind: String,
    /// `payload.object.id`, for searches.
    pub resource: Option<String>,
    /// The sealed body.
    pub body: Sealed,
    /// When it was received.
    pub received: Millis,
    /// The request that brought it and its trace, as [`kyc_model::Correlation`] writes it.
    pub trace: String,
    /// Set for a body that can never be delivered.
    pub dead: Option<DeadReason>,
}

/// The deduplication key of a deleted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// The deduplication key.
    pub dedup: Vec<u8>,
    /// When it was received.
    pub at: Millis,
}

/// An event that is due.
#[derive(Clone, Debug)]
pub struct DueEvent {
    /// Only the latest claim may record a result.
    pub claim: Claim,
    /// Its id for operators and portals.
    pub uid: Uuid,
    /// Its owner.
    pub owner: Owner,
    /// The sealed body.
    pub body: Sealed,
    /// Finished attempts so far.
    pub attempts: u32,
    /// Those attempts in which the portal rejected this event.
    pub refusals: u32,
    /// When it was received, or last replayed: its age limit counts from here.
    pub received: Millis,
    /// The request that brought it, as `kyc_model::Correlation` writes it.
    pub trace: String,
}

/// How many events of a tenant wait, for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// How many.
    pub events: i64,
    /// When the first of them is due.
    pub first_due: Millis,
    /// When the oldest of them was received.
    pub oldest: Millis,
}

/// How many events of a tenant are parked for a reason, for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub events: i64,
}

/// Selects events; an absent field matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// This event alone.
    pub uid: Option<Uuid>,
    /// Received for this tenant.
    pub tenant: Option<String>,
    /// In this state.
    pub state: Option<State>,
    /// With this `payload.action`.
    pub kind: Option<String>,
    /// With this `payload.object.id`.
    pub resource: Option<String>,
    /// Received at or after.
    pub since: Option<Millis>,
    /// Received before.
    pub until: Option<Millis>,
    /// Dead or parked for this reason.
    pub reason: Option<String>,
    /// Not for this one.
    pub not_reason: Option<&'static str>,
    /// Sealed with one of these keys.
    pub under: Option<Vec<i64>>,
    /// Sealed with none of these keys.
    pub not_under: Option<Vec<i64>>,
}

/// An event as operators see it: without its body.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id for operators and portals.
    pub uid: Uuid,
    /// The tenant's name at receipt.
    pub tenant: String,
    /// `payload.action`.
    pub kind: String,
    /// `payload.object.id`.
    pub resource: Option<String>,
    /// Its state.
    pub state: State,
    /// Why.
    pub reason: Option<String>,
    /// Finished attempts.
    pub attempts: u32,
    /// When it was received.
    pub received: Millis,
    /// When the next attempt is due.
    pub due: Millis,
    /// When it was delivered, became dead or was parked.
    pub done: Option<Millis>,
    /// The request that brought it, as `kyc_model::Correlation` writes it.
    pub trace: String,
}

/// All columns of an event, for another store or a file.
#[derive(Clone, Debug)]
pub struct Record {
    /// The number of its row.
    pub id: i64,
    /// The event as operators see it.
    pub listed: Listed,
    /// Its owner.
    pub owner: Owner,
    /// The deduplication key.
    pub dedup: Option<Vec<u8>>,
    /// The sealed body.
    pub body: Sealed,
    /// Its age counts from here.
    pub since: Millis,
    /// Its finished attempts, in order.
    pub tries: Vec<Attempt>,
}

/// The reason of an event that an operator has discarded.
pub const DISCARDED: &str = "discarded";

/// Dead events that become waiting again when Onfido sends the notification again. Discarded and unreadable events do
/// not.
pub(crate) const REVIVABLE: &str = "state = 2 AND dead_reason IN ('rejected', 'exhausted')";

/// Limit of events that one command reads and changes.
pub(crate) const PAGE: i64 = 200;

/// How many of a tenant's newest due events are searched for a probe.
pub(crate) const NEWEST: i64 = 1000;
