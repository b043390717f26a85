//! Stored events, and their views for operators and metrics.

use uuid::Uuid;

use crate::{Attempt, Claim, DeadReason, Dedup, Millis, Owner, Sealed, State};

/// An event to insert.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its id for operators and portals.
    pub uid: Uuid,
    /// The owner at receipt. Each attempt looks up the current recipient, because the tenant may be renamed meanwhile.
    pub owner: Owner,
    /// The deduplication keys.
    pub dedup: Dedup,
    /// `payload.action`; empty for a body that has none.
    pub kind: String,
    /// `payload.object.id`, for searches.
    pub resource: Option<String>,
    /// The encrypted body.
    pub body: Sealed,
    /// When it was received.
    pub received: Millis,
    /// The id and the trace of the request that carried it, as [`kyc_model::Correlation`] writes them.
    pub trace: String,
    /// The reason for which it is stored as dead: its body can never be delivered.
    pub dead: Option<DeadReason>,
    /// Where it comes from.
    pub source: Source,
    /// When Onfido completed the result (`payload.object.completed_at_iso8601`), by Onfido's clock.
    pub completed: Option<Millis>,
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Onfido has notified it.
    #[default]
    Notification,
    /// A look-up at Onfido has found its result, which was not notified.
    Reconciliation,
}

/// The deduplication key of a deleted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedEventKey {
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
    /// The claim under which a result is recorded.
    pub claim: Claim,
    /// Its id for operators and portals.
    pub uid: Uuid,
    /// Its owner.
    pub owner: Owner,
    /// The encrypted body.
    pub body: Sealed,
    /// The number of finished attempts.
    pub attempts: u32,
    /// The number of attempts in which the portal rejected this event.
    pub refusals: u32,
    /// When it was received or last replayed; its age limit starts here.
    pub received: Millis,
    /// The id and the trace of the request that carried it, as `kyc_model::Correlation` writes them.
    pub trace: String,
    /// Where it comes from.
    pub source: Source,
    /// When the check or workflow run was started whose result it brings, by this machine's clock; `None` when the ledger
    /// does not have it.
    pub started: Option<Millis>,
}

/// The number of a tenant's waiting events, for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// The number of waiting events.
    pub events: i64,
    /// When the first one is due.
    pub first_due: Millis,
    /// When the oldest one was received.
    pub oldest: Millis,
}

/// The number of a tenant's events that are parked for one reason, for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedCount {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// The name of the [`ParkReason`](crate::ParkReason).
    pub reason: String,
    /// The number of parked events.
    pub events: i64,
}

/// Selects events that match every field; an absent field matches all events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The event with this id.
    pub uid: Option<Uuid>,
    /// Events that were received for this tenant.
    pub tenant: Option<String>,
    /// Events in this state.
    pub state: Option<State>,
    /// Events with this `payload.action`.
    pub kind: Option<String>,
    /// Events with this `payload.object.id`.
    pub resource: Option<String>,
    /// Events that were received at this time or later.
    pub since: Option<Millis>,
    /// Events that were received before this time.
    pub until: Option<Millis>,
    /// Events that are dead or parked for this reason.
    pub reason: Option<String>,
    /// Events that are not dead or parked for this reason.
    pub not_reason: Option<&'static str>,
    /// Events whose body is encrypted with one of these keys.
    pub under: Option<Vec<i64>>,
    /// Events whose body is encrypted with none of these keys.
    pub not_under: Option<Vec<i64>>,
}

/// An event as operators see it: without its body.
#[derive(Clone, Debug)]
pub struct ListedEvent {
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
    /// Why it is dead or parked.
    pub reason: Option<String>,
    /// The number of finished attempts.
    pub attempts: u32,
    /// When it was received.
    pub received: Millis,
    /// When the next attempt is due.
    pub due: Millis,
    /// When it was delivered, became dead or was parked.
    pub done: Option<Millis>,
    /// The id and the trace of the request that carried it, as `kyc_model::Correlation` writes them.
    pub trace: String,
}

/// All columns of an event, for `events copy` and `events export`.
#[derive(Clone, Debug)]
pub struct Record {
    /// The id of its row.
    pub id: i64,
    /// The event as operators see it.
    pub listed: ListedEvent,
    /// Its owner.
    pub owner: Owner,
    /// The deduplication key.
    pub dedup: Option<Vec<u8>>,
    /// The encrypted body.
    pub body: Sealed,
    /// When its age limit starts: its receipt or its last replay.
    pub since: Millis,
    /// Where it comes from.
    pub source: Source,
    /// Its finished attempts, in order.
    pub attempts: Vec<Attempt>,
}

// === impl Source ===

impl Source {
    /// Returns the number in the table.
    pub fn code(self) -> i64 {
        match self {
            Self::Notification => 0,
            Self::Reconciliation => 1,
        }
    }

    /// Returns the source of a number in the table.
    pub fn of(code: i64) -> Self {
        if code == 1 { Self::Reconciliation } else { Self::Notification }
    }

    /// Returns the name in the header `X-Event-Source`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::Reconciliation => "reconciliation",
        }
    }
}

/// Prepares a text for a searchable column: PostgreSQL refuses NUL in texts, and 200 characters bound the size of the index. Ids of
/// the ledger and resources of events are compared, so both are prepared here.
pub(crate) fn searchable(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(200).collect()
}

/// The reason of an event that an operator has discarded.
pub const DISCARDED: &str = "discarded";

/// The SQL condition of dead events that become waiting again when Onfido repeats the notification. Discarded events stay
/// dead because an operator decided so, and unreadable ones because every attempt would fail again.
pub(crate) const REVIVABLE: &str = "state = 2 AND dead_reason IN ('rejected', 'exhausted')";

/// The maximum number of events that one command reads and changes. It bounds the time for which a page occupies the writer.
pub(crate) const PAGE: i64 = 200;

/// The number of a tenant's newest due events that are searched for one that was never attempted.
pub(crate) const NEWEST: i64 = 1000;
