//! Stored events, and what operators and metrics see of them.

use uuid::Uuid;

use crate::{Attempt, Claim, DeadReason, Dedup, Millis, Owner, Sealed, State};

/// A notification to be kept.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its id for operators and portals.
    pub uid: Uuid,
    /// Fixed at receipt; who it is now is looked up for each delivery.
    pub owner: Owner,
    /// Two with the same key are one event.
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

/// A notification whose event is forgotten already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// By what it is known when it comes again.
    pub dedup: Vec<u8>,
    /// When it was received.
    pub at: Millis,
}

/// An event whose time has come.
#[derive(Clone, Debug)]
pub struct DueEvent {
    /// The latest one alone may end the try.
    pub claim: Claim,
    /// Its id for operators and portals.
    pub uid: Uuid,
    /// Whose it is.
    pub owner: Owner,
    /// The sealed body.
    pub body: Sealed,
    /// Finished attempts so far.
    pub attempts: u32,
    /// Those among them in which the portal did not want this event.
    pub refusals: u32,
    /// When it was received, or last replayed: from then on it is tried until it is too old.
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

/// Which events an operator means; what is absent means all.
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
    /// Finished tries.
    pub attempts: u32,
    /// When it was received.
    pub received: Millis,
    /// When it is tried next.
    pub due: Millis,
    /// When it was delivered, died or was parked.
    pub done: Option<Millis>,
    /// The request that brought it, as `kyc_model::Correlation` writes it.
    pub trace: String,
}

/// All that the store has of an event, for another store or a file.
#[derive(Clone, Debug)]
pub struct Record {
    /// The number of its row.
    pub id: i64,
    /// The event as operators see it.
    pub listed: Listed,
    /// Whose it is.
    pub owner: Owner,
    /// By what it is known when it comes again.
    pub dedup: Option<Vec<u8>>,
    /// The sealed body.
    pub body: Sealed,
    /// Its age counts from here.
    pub since: Millis,
    /// Its finished tries, in order.
    pub tries: Vec<Attempt>,
}

/// The reason of an event that an operator has given up.
pub const DISCARDED: &str = "discarded";

/// Which dead events a notification that comes again makes waiting: neither those that an operator has discarded nor
/// those that cannot be read.
pub(crate) const REVIVABLE: &str = "state = 2 AND dead_reason IN ('rejected', 'exhausted')";

/// Events that one write looks at and changes at most.
pub(crate) const PAGE: i64 = 200;

/// Of how many of a tenant's events that are due a probe takes one.
pub(crate) const NEWEST: i64 = 1000;
