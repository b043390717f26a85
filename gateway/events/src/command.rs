//! What is done to a store, and what came of it.

use crate::{Claim, Customer, Filter, Finish, Millis, NewEvent, Owner, Sealed};

/// A change of the store.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds an event, unless one with its key is there or was; one that has died is made waiting again.
    Insert(NewEvent),
    /// Ends a try.
    Finish(Finish),
    /// Makes events of a tenant due that wait because of its portal: that is back. Others keep their time.
    PullForward {
        /// The tenant's name at receipt.
        tenant: String,
        /// The system's clock.
        now: Millis,
    },
    /// Moves ages and due times, some at a time: the system's clock has jumped.
    Shift {
        /// By how many milliseconds; negative for a backward jump.
        by: Millis,
        /// The system's clock.
        now: Millis,
        /// How far it has come.
        progress: Progress,
    },
    /// Brings due times that lie too far ahead back to `latest`.
    Clamp {
        /// The latest due time.
        latest: Millis,
    },
    /// Makes events waiting again, so many of them due in a second, as if they had just been received.
    Replay {
        /// Which events.
        filter: Filter,
        /// The system's clock.
        now: Millis,
        /// How many become due in a second.
        per_second: i64,
        /// How far it has come.
        progress: Progress,
    },
    /// Makes events waiting again that were parked for want of one of these keys, as if they had just been received.
    Unpark {
        /// The ids of the keys.
        keys: Vec<i64>,
        /// The system's clock.
        now: Millis,
    },
    /// Makes events of a customer waiting again that were parked because he was not in the document, as if they had just been
    /// received.
    UnparkCustomer {
        /// Whose it is.
        owner: Owner,
        /// The system's clock.
        now: Millis,
    },
    /// Discards waiting and parked events.
    Discard {
        /// Which events.
        filter: Filter,
        /// The system's clock.
        now: Millis,
        /// How far it has come.
        progress: Progress,
    },
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
pub struct Progress {
    /// The last event that was looked at.
    pub after: i64,
    /// Events changed so far.
    pub changed: i64,
}

/// When the gateway was last there, for the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive {
    /// By the system's clock.
    pub at: Millis,
    /// How long nothing is to be forgotten by its age, in milliseconds during which the gateway runs.
    pub unsettled: Millis,
}

/// Whose an event of an older release is; nobody's that is known is parked.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The number of its row.
    pub id: i64,
    /// Whose it is; `None` when no known tenant fits.
    pub customer: Option<Customer>,
}

/// An event that is sealed anew: with another key, or for another customer.
#[derive(Clone, Debug)]
pub struct Reseal {
    /// The number of its row.
    pub id: i64,
    /// What it was before; if it is not that any more, nothing is changed.
    pub before: Vec<u8>,
    /// The sealed body.
    pub body: Sealed,
    /// Whose it is.
    pub owner: Owner,
    /// What the portals said, before and after.
    pub answers: Vec<(Vec<u8>, Sealed)>,
    /// Why an operator gives it to another customer, who gets it at once.
    pub reassigned: Option<String>,
    /// The system's clock.
    pub now: Millis,
}

/// What is forgotten: everything before these times.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Keys of notifications whose events are forgotten, by the time of receipt.
    pub keys: Millis,
    /// Delivered events, by the time of delivery.
    pub delivered: Millis,
    /// Dead events, by the time of their end.
    pub dead: Option<Millis>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was done.
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

// === impl Progress ===

impl Progress {
    /// Behind this event, with so many more changed.
    pub fn at(self, last: i64, changed: u64) -> Self {
        Self { after: last, changed: self.changed + i64::try_from(changed).unwrap_or(i64::MAX) }
    }
}

// === impl Effect ===

impl Effect {
    /// Of a change that was done, or had nothing to do.
    pub fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Nothing }
    }
}
