//! What operators see of many events at once.

use std::fmt;

use super::{Filter, Listed, Millis, State};

/// Where a list of undelivered events goes on: behind this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// When it was received, in the engine's own unit: seen only by the engine that wrote it.
    pub(crate) received: i64,
    pub(crate) id: i64,
}

/// An event that waits or is parked, in a list by its age.
#[derive(Clone, Debug)]
pub(crate) struct Undelivered {
    pub(crate) listed: Listed,
    pub(crate) cursor: Cursor,
    /// Since its receipt, by the clock that its receipt was noted by.
    pub(crate) age: Millis,
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
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (received, id) = text.split_once('-')?;
        Some(Self { received: received.parse().ok()?, id: id.parse().ok()? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.received, self.id)
    }
}
