//! What operators see of many events at once.

use std::fmt;

use crate::{Filter, Listed, Millis, State};

/// Where a list of undelivered events goes on: behind this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When it was received, in the engine's own unit: seen only by the engine that wrote it.
    pub received: i64,
    /// The number of its row.
    pub id: i64,
}

/// An event that waits or is parked, in a list by its age.
#[derive(Clone, Debug)]
pub struct Undelivered {
    /// The event as operators see it.
    pub listed: Listed,
    /// Where a later list goes on.
    pub cursor: Cursor,
    /// Since its receipt, by the clock that its receipt was noted by.
    pub age: Millis,
}

/// How the events of one tenant stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name at receipt.
    pub tenant: String,
    /// How many wait.
    pub waiting: i64,
    /// How many are parked.
    pub parked: i64,
    /// How many are dead.
    pub dead: i64,
    /// How many are delivered.
    pub delivered: i64,
    /// Of the oldest that waits or is parked, since its receipt.
    pub oldest_age: Option<Millis>,
    /// When the next one is due by its own schedule.
    pub next_due: Option<Millis>,
}

// === impl Standing ===

impl Standing {
    /// From the counts of all, waiting, parked and dead events.
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
    /// The states of undelivered events that it lets through.
    pub(super) fn undelivered(&self) -> impl Iterator<Item = State> {
        let wanted = self.state;
        [State::Waiting, State::Parked]
            .into_iter()
            .filter(move |state| wanted.is_none_or(|only| only == *state))
    }
}

// === impl Cursor ===

impl Cursor {
    /// Reads what [`fmt::Display`] writes.
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
