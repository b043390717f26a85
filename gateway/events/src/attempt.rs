//! Finished tries: what happened, and what becomes of the event.

use crate::{Claim, DeadReason, Millis, ParkReason, Sealed, State};

/// One finished try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When it began, by the system's clock.
    pub at: Millis,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// The portal's status, when it answered.
    pub status: Option<u16>,
    /// What went wrong; absent for a success. Holds nothing that the portal said.
    pub error: Option<String>,
    /// The kind of that, by which the event waits.
    pub failure: Option<Failure>,
    /// What the portal said, as far as it is kept.
    pub answer: Option<Sealed>,
}

/// What a failed try says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Time may help: unreachable, slow or overloaded.
    Transient,
    /// The account is not let in.
    Login,
    /// The portal lets the account in and does not accept its session.
    Session,
    /// Address, endpoint or role is wrong.
    Endpoint,
    /// The portal does not want this event.
    Event,
    /// The portal fails with this event.
    Refused,
    /// The gateway itself has failed: the try panicked.
    Internal,
}

/// What becomes of an event after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The portal took it.
    Delivered,
    /// `counted` is false for a try that failed before the event was sent.
    Waiting {
        /// When it is tried again.
        due: Millis,
        /// Whether the try counts.
        counted: bool,
    },
    /// It is not tried any more.
    Dead(DeadReason),
    /// Kept, and not tried until something changes.
    Parked(ParkReason),
}

/// The end of a try.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The event, as it was claimed.
    pub claim: Claim,
    /// What happened.
    pub attempt: Attempt,
    /// What becomes of the event.
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

    /// Says whether the event waits because of its portal, and so no longer than that is away.
    pub fn is_the_portals(self) -> bool {
        match self {
            Self::Transient | Self::Login | Self::Session | Self::Endpoint => true,
            Self::Event | Self::Refused | Self::Internal => false,
        }
    }
}

// === impl Next ===

impl Next {
    /// Where the event stands then.
    pub fn state(self) -> State {
        match self {
            Self::Delivered => State::Delivered,
            Self::Waiting { .. } => State::Waiting,
            Self::Dead(_) => State::Dead,
            Self::Parked(_) => State::Parked,
        }
    }

    /// When it is tried again, if it is.
    pub fn due(self) -> Option<Millis> {
        match self {
            Self::Waiting { due, .. } => Some(due),
            Self::Delivered | Self::Dead(_) | Self::Parked(_) => None,
        }
    }

    /// Whether the try counts.
    pub fn counted(self) -> bool {
        !matches!(self, Self::Waiting { counted: false, .. } | Self::Parked(_))
    }

    /// Why it was given up or parked, if it was.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Dead(reason) => Some(reason.name()),
            Self::Parked(reason) => Some(reason.name()),
            Self::Delivered | Self::Waiting { .. } => None,
        }
    }
}
