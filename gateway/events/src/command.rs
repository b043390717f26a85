//! Commands to the store, and their effects.

use crate::{Claim, Customer, Filter, Finish, Millis, NewEvent, Owner, Sealed};

/// A command that changes the store.
#[derive(Clone, Debug)]
pub enum Command {
    /// Inserts an event, unless its deduplication key is known. A dead event with this key becomes waiting again.
    Insert(NewEvent),
    /// Records the result of an attempt.
    Finish(Finish),
    /// Makes the events of a tenant due that wait because of a failure of its portal, which is back. Other events keep their
    /// due times.
    MakeDue {
        /// The tenant's name at receipt.
        tenant: String,
        /// The system's clock.
        now: Millis,
    },
    /// Shifts ages and due times by one page, after the wall clock has jumped.
    ShiftTimes {
        /// By how many milliseconds; negative for a backward jump.
        by: Millis,
        /// The system's clock.
        now: Millis,
        /// Progress of the paged command.
        progress: Progress,
    },
    /// Lowers due times after `latest` to `latest`.
    LimitDueTimes {
        /// The latest due time.
        latest: Millis,
    },
    /// Makes events waiting again as if they had just been received; their due times are spread by `per_second`.
    Replay {
        /// Which events.
        filter: Filter,
        /// The system's clock.
        now: Millis,
        /// How many become due in a second.
        per_second: i64,
        /// Progress of the paged command.
        progress: Progress,
    },
    /// Makes events waiting again that were parked because one of these keys was missing, as if they had just been received.
    Unpark {
        /// The ids of the keys.
        keys: Vec<i64>,
        /// The system's clock.
        now: Millis,
    },
    /// Makes events of a customer waiting again that were parked because it was not in the document, as if they had just
    /// been received.
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
        /// Progress of the paged command.
        progress: Progress,
    },
    /// Deletes expired events and deduplication keys.
    DeleteExpired(Sweep),
    /// Deletes delivered events of tenants that have used most of their share.
    FreeShares,
    /// Assigns events of older releases to customers.
    AssignCustomers(Vec<Bound>),
    /// Replaces the sealed bodies of events.
    Reseal(Vec<Reseal>),
    /// Records a heartbeat.
    Heartbeat(Heartbeat),
    /// Releases claims, so that another gateway need not wait until they expire.
    Release(Vec<Claim>),
}

/// Progress of a paged command. Each page is one command, so that notifications are committed in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The row id of the last event that was checked.
    pub after: i64,
    /// Events changed so far.
    pub changed: i64,
}

/// The last sign of life of a gateway, for the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// By the system's clock.
    pub at: Millis,
    /// How long no event may be deleted because of its age, in milliseconds of running time.
    pub unsettled: Millis,
}

/// The customer of an event of an older release; without one the event is parked.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The number of its row.
    pub id: i64,
    /// The customer; `None` when no tenant matches.
    pub customer: Option<Customer>,
}

/// A new sealed body of an event: under another key, or for another customer.
#[derive(Clone, Debug)]
pub struct Reseal {
    /// The number of its row.
    pub id: i64,
    /// The sealed body before; if it has changed meanwhile, the command does nothing.
    pub before: Vec<u8>,
    /// The sealed body.
    pub body: Sealed,
    /// Whose it is.
    pub owner: Owner,
    /// The sealed answers of portals, before and after.
    pub answers: Vec<(Vec<u8>, Sealed)>,
    /// The reason for which an operator reassigned it to another customer; the event becomes due at once.
    pub reassigned: Option<String>,
    /// The system's clock.
    pub now: Millis,
}

/// Retention limits: everything before these times is deleted.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Deduplication keys of deleted events, by the time of receipt.
    pub keys: Millis,
    /// Delivered events, by the time of delivery.
    pub delivered: Millis,
    /// Dead events, by the time they became dead.
    pub dead: Option<Millis>,
}

/// The effect of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The command was applied.
    Done,
    /// An insert found a dead event with its key and made it waiting again.
    Revived,
    /// Nothing changed: an insert found its key known, or the claim of a finish had expired.
    Nothing,
    /// One page was applied; the next one continues from here. Without progress it was the last one.
    Changed(Progress),
    /// An insert was refused: the store has reached its size limit. Other commands are still applied.
    Full,
    /// An insert was refused: SQLite's write-ahead log has reached its limit. Other commands are still applied.
    LogFull,
    /// An insert was refused: the tenant has used its share of the store.
    OverShare,
}

// === impl Progress ===

impl Progress {
    /// Advances to `last`, with `changed` more events changed.
    pub fn at(self, last: i64, changed: u64) -> Self {
        Self { after: last, changed: self.changed + i64::try_from(changed).unwrap_or(i64::MAX) }
    }
}

// === impl Effect ===

impl Effect {
    /// `Done` or `Nothing`.
    pub fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Nothing }
    }
}
