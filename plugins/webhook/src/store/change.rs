//! What is done to a store, and what came of it.

use super::{Customer, DeadReason, Filter, Millis, NewEvent, Owner, ParkReason, Sealed, State};

/// One finished try.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) at: Millis,
    pub(crate) took_ms: i64,
    /// The portal's status, when it answered.
    pub(crate) status: Option<u16>,
    /// What went wrong; absent for a success. Holds nothing that the portal said.
    pub(crate) error: Option<String>,
    /// The kind of that, by which the event waits.
    pub(crate) failure: Option<Failure>,
    /// What the portal said, as far as it is kept.
    pub(crate) answer: Option<Sealed>,
}

/// What a failed try says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Transient,
    Login,
    Session,
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
pub(crate) enum Next {
    Delivered,
    /// `counted` is false for a try that failed before the event was sent.
    Waiting {
        due: Millis,
        counted: bool,
    },
    Dead(DeadReason),
    /// Kept, and not tried until something changes.
    Parked(ParkReason),
}

/// The end of a try.
#[derive(Clone, Debug)]
pub(crate) struct Finish {
    pub(crate) claim: Claim,
    pub(crate) attempt: Attempt,
    pub(crate) next: Next,
}

/// A change of the store.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Adds an event, unless one with its key is there or was; one that has died is made waiting again.
    Insert(NewEvent),
    /// Ends a try.
    Finish(Finish),
    /// Makes events of a tenant due that wait because of its portal: that is back. Others keep their time.
    PullForward { tenant: String, now: Millis },
    /// Moves ages and due times, some at a time: the system's clock has jumped.
    Shift { by: Millis, now: Millis, progress: Progress },
    /// Brings due times that lie too far ahead back to `latest`.
    Clamp { latest: Millis },
    /// Makes events waiting again, so many of them due in a second, as if they had just been received.
    Replay { filter: Filter, now: Millis, per_second: i64, progress: Progress },
    /// Makes events waiting again that were parked for want of one of these keys, as if they had just been received.
    Unpark { keys: Vec<i64>, now: Millis },
    /// Makes events of a customer waiting again that were parked because he was not in the document, as if they had just been
    /// received.
    UnparkCustomer { owner: Owner, now: Millis },
    /// Discards waiting and parked events.
    Discard { filter: Filter, now: Millis, progress: Progress },
    /// Forgets what is old enough.
    Sweep(Sweep),
    /// Forgets delivered events of tenants that have used most of their share.
    Shrink,
    /// Says whose events of older releases are.
    Bind(Vec<Bound>),
    /// Seals events anew.
    Reseal(Vec<Reseal>),
    /// Notes when the gateway was last there.
    Alive(Alive),
    /// Gives claims back, so that another gateway need not wait for their end.
    Release(Vec<Claim>),
}

/// How far a change of many events has come. Each write takes the next page of them, so that notifications come in
/// between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last event that was looked at.
    pub(crate) after: i64,
    /// Events changed so far.
    pub(crate) changed: i64,
}

/// When the gateway was last there, for the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alive {
    /// By the system's clock.
    pub(crate) at: Millis,
    /// How long nothing is to be forgotten by its age, in milliseconds during which the gateway runs.
    pub(crate) unsettled: Millis,
}

/// An event that this gateway has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) id: i64,
    pub(crate) epoch: i64,
}

/// Whose an event of an older release is; nobody's that is known is parked.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) id: i64,
    pub(crate) customer: Option<Customer>,
}

/// An event that is sealed anew: with another key, or for another customer.
#[derive(Clone, Debug)]
pub(crate) struct Reseal {
    pub(crate) id: i64,
    /// What it was before; if it is not that any more, nothing is changed.
    pub(crate) before: Vec<u8>,
    pub(crate) body: Sealed,
    pub(crate) owner: Owner,
    /// What the portals said, before and after.
    pub(crate) answers: Vec<(Vec<u8>, Sealed)>,
    /// Why an operator gives it to another customer, who gets it at once.
    pub(crate) reassigned: Option<String>,
    pub(crate) now: Millis,
}

/// What is forgotten: everything before these times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    /// Keys of notifications whose events are forgotten, by the time of receipt.
    pub(crate) keys: Millis,
    /// Delivered events, by the time of delivery.
    pub(crate) delivered: Millis,
    /// Dead events, by the time of their end.
    pub(crate) dead: Option<Millis>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Done,
    /// An insert found its event dead, and made it waiting again.
    Revived,
    /// An insert found its key taken, or a finish found the event not waiting any more.
    Nothing,
    /// A page of the events was looked at; the next one goes on from here. It was the last one when that is where it began.
    Changed(Progress),
    /// An insert found the store at its size. Other changes still have room.
    Full,
    /// An insert found SQLite's write-ahead log at its limit. Other changes are made.
    LogFull,
    /// An insert found the tenant's share of the store used up.
    OverShare,
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
    pub(crate) fn name(self) -> &'static str {
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
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.name() == name)
    }

    /// Says whether the event waits because of its portal, and so no longer than that is away.
    pub(crate) fn is_the_portals(self) -> bool {
        match self {
            Self::Transient | Self::Login | Self::Session | Self::Endpoint => true,
            Self::Event | Self::Refused | Self::Internal => false,
        }
    }
}

// === impl Next ===

impl Next {
    /// Where the event stands then.
    pub(crate) fn state(self) -> State {
        match self {
            Self::Delivered => State::Delivered,
            Self::Waiting { .. } => State::Waiting,
            Self::Dead(_) => State::Dead,
            Self::Parked(_) => State::Parked,
        }
    }

    /// When it is tried again, if it is.
    pub(crate) fn due(self) -> Option<Millis> {
        match self {
            Self::Waiting { due, .. } => Some(due),
            Self::Delivered | Self::Dead(_) | Self::Parked(_) => None,
        }
    }

    /// Whether the try counts.
    pub(crate) fn counted(self) -> bool {
        !matches!(self, Self::Waiting { counted: false, .. } | Self::Parked(_))
    }

    /// Why it was given up or parked, if it was.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Dead(reason) => Some(reason.name()),
            Self::Parked(reason) => Some(reason.name()),
            Self::Delivered | Self::Waiting { .. } => None,
        }
    }
}

// === impl Progress ===

impl Progress {
    /// Behind this event, with so many more changed.
    pub(crate) fn at(self, last: i64, changed: u64) -> Self {
        Self { after: last, changed: self.changed + i64::try_from(changed).unwrap_or(i64::MAX) }
    }
}

// === impl Effect ===

impl Effect {
    /// Of a change that was done, or had nothing to do.
    pub(crate) fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Nothing }
    }
}
