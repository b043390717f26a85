//! Finished attempts: their results, and the next state of the event.

use crate::{Claim, DeadReason, Millis, ParkReason, Sealed, State};

/// One finished attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When it began, by the system's clock.
    pub at: Millis,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// The portal's status, when it answered.
    pub status: Option<u16>,
    /// The error; absent for a success. It contains no text from the portal.
    pub error: Option<String>,
    /// The class of the error, which decides how long the event waits.
    pub failure: Option<Failure>,
    /// The sealed answer of the portal, as far as it is kept.
    pub answer: Option<Sealed>,
}

/// The class of a failure, which decides the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Time may help: unreachable, slow or overloaded.
    Transient,
    /// The portal refuses the account.
    Login,
    /// The login succeeds, but the portal does not accept its session.
    Session,
    /// Address, endpoint or role is wrong.
    Endpoint,
    /// The portal rejects this event.
    Event,
    /// The portal fails with this event.
    Refused,
    /// The gateway itself failed: the attempt panicked.
    Internal,
}

/// The next state of an event after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The portal has accepted it.
    Delivered,
    /// It waits for the next attempt. `counted` is false when the attempt failed before the event was sent.
    Waiting {
        /// When the next attempt is due.
        due: Millis,
        /// Whether the attempt counts.
        counted: bool,
    },
    /// There are no more attempts.
    Dead(DeadReason),
    /// It is kept, without attempts, until its reason has gone.
    Parked(ParkReason),
}

/// The result of an attempt, to be recorded.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The event, as it was claimed.
    pub claim: Claim,
    /// What happened.
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

    /// The name in the store.
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

    /// The failure of a name in the store.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.name() == name)
    }

    /// Whether the event waits because of its portal, and becomes due when that is back.
    pub fn is_the_portals(self) -> bool {
        match self {
            Self::Transient | Self::Login | Self::Session | Self::Endpoint => true,
            Self::Event | Self::Refused | Self::Internal => false,
        }
    }
}

// === impl Next ===

impl Next {
    /// The state of the event.
    pub fn state(self) -> State {
        match self {
            Self::Delivered => State::Delivered,
            Self::Waiting { .. } => State::Waiting,
            Self::Dead(_) => State::Dead,
            Self::Parked(_) => State::Parked,
        }
    }

    /// When the next attempt is due, if there is one.
    pub fn due(self) -> Option<Millis> {
        match self {
            Self::Waiting { due, .. } => Some(due),
            Self::Delivered | Self::Dead(_) | Self::Parked(_) => None,
        }
    }

    /// Whether the attempt counts.
    pub fn counted(self) -> bool {
        !matches!(self, Self::Waiting { counted: false, .. } | Self::Parked(_))
    }

    /// Why it is dead or parked.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Dead(reason) => Some(reason.name()),
            Self::Parked(reason) => Some(reason.name()),
            Self::Delivered | Self::Waiting { .. } => None,
        }
    }
}
