//! Lists and counts of events for the admin API.

use std::fmt;

use crate::{Filter, ListedEvent, Millis, State};

/// The position in a list of undelivered events: the next page starts after this event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When it was received, in the unit of the engine that created the cursor.
    pub received: i64,
    /// The id of its row.
    pub id: i64,
}

/// A waiting or parked event, in a list sorted by age.
#[derive(Clone, Debug)]
pub struct Undelivered {
    /// The event as operators see it.
    pub listed: ListedEvent,
    /// The cursor with which the next page starts after this event.
    pub cursor: Cursor,
    /// The time since its receipt, in milliseconds, by the clock that recorded the receipt: the gateway's for SQLite, the
    /// server's for PostgreSQL.
    pub age: Millis,
}

/// The number of events of one tenant by state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantEventCounts {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// Waiting events.
    pub waiting: i64,
    /// Parked events.
    pub parked: i64,
    /// Dead events.
    pub dead: i64,
    /// Delivered events that are still kept.
    pub delivered: i64,
    /// The age of the oldest waiting or parked event, in milliseconds since its receipt.
    pub oldest_age: Option<Millis>,
    /// When the next event is due by its own schedule; a held tenant is attempted later.
    pub next_due: Option<Millis>,
}

// === impl TenantEventCounts ===

impl TenantEventCounts {
    /// Creates the counts from those of all, waiting, parked and dead events. The rest is delivered, which saves the
    /// database a count of its largest group.
    pub(super) fn new(
        tenant: String,
        [all, waiting, parked, dead]: [i64; 4],
        oldest_age: Option<Millis>,
        next_due: Option<Millis>,
    ) -> Self {
        let delivered = all.saturating_sub(waiting).saturating_sub(parked).saturating_sub(dead).max(0);
        Self { tenant, waiting, parked, dead, delivered, oldest_age, next_due }
    }
}

// === impl Filter ===

impl Filter {
    /// Returns the states of undelivered events that match the filter.
    pub(super) fn undelivered(&self) -> impl Iterator<Item = State> {
        let wanted = self.state;
        [State::Waiting, State::Parked]
            .into_iter()
            .filter(move |state| wanted.is_none_or(|only| only == *state))
    }
}

// === impl Cursor ===

impl Cursor {
    /// Parses a cursor as [`fmt::Display`] writes it; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (received, id) = text.split_once('-')?;
        Some(Self { received: received.parse().ok()?, id: id.parse().ok()? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.received, self.id)
    }
}
