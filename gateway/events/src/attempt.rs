//! Finished attempts: their results, and the next state of the event.

use crate::{Claim, DeadReason, Millis, ParkReason, Sealed, State};

/// One finished attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The start time, by the system's clock.
    pub at: Millis,
    /// The duration, in milliseconds.
    pub took_ms: i64,
    /// The HTTP status of the portal's response; `None` when there was none.
    pub status: Option<u16>,
    /// The error; absent for a success. It contains no text from the portal.
    pub error: Option<String>,
    /// The class of the error, which decides how long the event waits.
    pub failure: Option<Failure>,
    /// The beginning of the portal's response, encrypted; only for failures, and only while the store has space.
    pub answer: Option<Sealed>,
}

/// The class of a failure, which decides the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The portal is unreachable, slow or overloaded; a later attempt may succeed.
    Transient,
    /// The portal refuses the account.
    Login,
    /// The login succeeds, but the portal does not accept its session.
    Session,
    /// The portal's address, the endpoint or the account's role is wrong.
    Endpoint,
    /// The portal rejects this event by its status (400, 409, 413, 415 or 422).
    Event,
    /// The portal reports a failure for this event in a response with a success status.
    Refused,
    /// The gateway itself failed: the attempt panicked.
    Internal,
}

/// The next state of an event after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The portal has accepted it.
    Delivered,
    /// It waits for the next attempt.
    Waiting {
        /// When the next attempt is due.
        due: Millis,
        /// Whether the attempt counts; `false` when it failed before the event was sent.
        counted: bool,
    },
    /// There are no more attempts.
    Dead(DeadReason),
    /// It is kept without attempts until the reason is removed.
    Parked(ParkReason),
}

/// The result of an attempt, to be recorded.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The claim under which the event was sent.
    pub claim: Claim,
    /// The finished attempt.
    pub attempt: Attempt,
    /// The next state of the event.
    pub next: Next,
}

// === impl Failure ===

impl Failure {
    const ALL: [Self; 7] = [
        Self::Transient,
        Self::Login,
        Self::Session,
        Self::Endpoint,
        Self::Event,
        Self::Refused,
        Self::Internal,
    ];

    /// Returns the name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Login => "login",
            Self::Session => "session",
            Self::Endpoint => "endpoint",
            Self::Event => "event",
            Self::Refused => "refused",
            Self::Internal => "internal",
        }
    }

    /// Returns the failure with this name in the table; `None` for a name of a newer release.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.name() == name)
    }

    /// Returns whether the portal failed for every event, so that the event becomes due when the portal is available again.
    pub fn is_portal_failure(self) -> bool {
        match self {
            Self::Transient | Self::Login | Self::Session | Self::Endpoint => true,
            Self::Event | Self::Refused | Self::Internal => false,
        }
    }
}

// === impl Next ===

impl Next {
    /// Returns the state of the event.
    pub fn state(self) -> State {
        match self {
            Self::Delivered => State::Delivered,
            Self::Waiting { .. } => State::Waiting,
            Self::Dead(_) => State::Dead,
            Self::Parked(_) => State::Parked,
        }
    }

    /// Returns when the next attempt is due; `None` when there is none.
    pub fn due(self) -> Option<Millis> {
        match self {
            Self::Waiting { due, .. } => Some(due),
            Self::Delivered | Self::Dead(_) | Self::Parked(_) => None,
        }
    }

    /// Returns whether the attempt counts.
    pub fn counted(self) -> bool {
        !matches!(self, Self::Waiting { counted: false, .. } | Self::Parked(_))
    }

    /// Returns why the event is dead or parked; `None` in other states.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Dead(reason) => Some(reason.name()),
            Self::Parked(reason) => Some(reason.name()),
            Self::Delivered | Self::Waiting { .. } => None,
        }
    }
}
