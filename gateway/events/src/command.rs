//! Commands that change the store, and their effects.
//!
//! All changes are commands of one enum, so that one writer can commit any mixture of them in one transaction. A command
//! that may change many events is paged (`Progress`): between two pages the writer commits notifications, which must not
//! wait.

use crate::{Claim, Customer, EntryEnd, Filter, Finish, LookedUp, Millis, NewEntry, NewEvent, Owner, Sealed};

/// A command that changes the store.
#[derive(Clone, Debug)]
pub enum Command {
    /// Inserts an event, unless its deduplication key is stored already. A dead event with this key becomes waiting again.
    Insert(NewEvent),
    /// Records the result of an attempt.
    Finish(Finish),
    /// Makes events of a tenant due whose last attempt failed because its portal was not available; the portal is available
    /// again. Other events keep their due times.
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
    /// Shifts the times of open entries of the ledger by one page, after the wall clock has jumped backward.
    ShiftLedger {
        /// By how many milliseconds; a forward jump changes nothing.
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
    /// Makes events waiting again as if they had just been received. Their due times are spread, so that a replay of many
    /// events does not overload the portal.
    Replay {
        /// Selects the events.
        filter: Filter,
        /// The system's clock.
        now: Millis,
        /// The number of events that become due in a second.
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
    /// Makes events of a customer waiting again that were parked because the customer was not in the tenant document, as if
    /// they had just been received.
    UnparkCustomer {
        /// The owner of the events.
        owner: Owner,
        /// The system's clock.
        now: Millis,
    },
    /// Discards waiting and parked events.
    Discard {
        /// Selects the events.
        filter: Filter,
        /// The system's clock.
        now: Millis,
        /// Progress of the paged command.
        progress: Progress,
    },
    /// Deletes expired events and deduplication keys.
    DeleteExpired(RetentionLimits),
    /// Deletes delivered events and settled entries of the ledger of tenants that have used most of their share.
    FreeShares,
    /// Assigns events of older releases to customers.
    AssignCustomers(Vec<CustomerAssignment>),
    /// Replaces the encrypted bodies of events.
    Reseal(Vec<Reseal>),
    /// Records a heartbeat.
    Heartbeat(Heartbeat),
    /// Releases claims, so that another gateway can deliver the events before the claims expire.
    Release(Vec<Claim>),
    /// Inserts an entry of the ledger, unless it is noted already. Results that were notified before settle it at once.
    Note(NewEntry),
    /// Records a look-up that did not settle its entry.
    LookedUp(LookedUp),
    /// Settles an open entry whose end a look-up has shown.
    EndEntry(EntryEnd),
    /// Deletes one page of entries that were started before this time.
    DeleteEntries {
        /// The time, by this machine's clock.
        before: Millis,
    },
}

/// Progress of a paged command. Each page is one command, so that notifications are committed in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The row id of the last event that was checked.
    pub after: i64,
    /// Events changed so far.
    pub changed: i64,
}

/// The time at which a gateway was last running. The next start compares it with its clock, because time during which no
/// gateway ran must not count for the age of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The time of the heartbeat, by the system's clock.
    pub at: Millis,
    /// The running time, in milliseconds, during which no event may be deleted because of its age: the clock has jumped.
    pub unsettled: Millis,
}

/// Assigns a customer to an event of an older release, or parks the event when no tenant matches.
#[derive(Clone, Debug)]
pub struct CustomerAssignment {
    /// The id of its row.
    pub id: i64,
    /// The customer; `None` when no tenant matches.
    pub customer: Option<Customer>,
}

/// A body that was encrypted again: with another key, or for another customer.
#[derive(Clone, Debug)]
pub struct Reseal {
    /// The id of its row.
    pub id: i64,
    /// The encrypted body that was read; if the row has another one by now, the command changes nothing.
    pub before: Vec<u8>,
    /// The newly encrypted body.
    pub body: Sealed,
    /// The owner, to whom the body is bound.
    pub owner: Owner,
    /// The encrypted responses of portals, each before and after.
    pub answers: Vec<(Vec<u8>, Sealed)>,
    /// The operator's reason for reassigning the event to another customer, after which it is due at once; `None` when only
    /// the key changes.
    pub reassigned: Option<String>,
    /// The system's clock.
    pub now: Millis,
}

/// Retention limits: everything before these times is deleted.
#[derive(Clone, Copy, Debug)]
pub struct RetentionLimits {
    /// Deduplication keys of deleted events, by the time of receipt.
    pub keys: Millis,
    /// Delivered events, by the time of delivery.
    pub delivered: Millis,
    /// Dead events, by the time at which they became dead; `None` keeps them all.
    pub dead: Option<Millis>,
}

/// The effect of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The command was applied.
    Done,
    /// The command was applied, and a result of the ledger was settled by its event, or by one that was stored before it.
    Settled,
    /// An insert found a dead event with its key and made it waiting again.
    Revived,
    /// Nothing changed: the deduplication key of an insert was stored already, or the claim of a finish had expired.
    Nothing,
    /// One page was applied; the next one continues from here. Unchanged progress means that it was the last page.
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
    /// Returns the progress after a page that ended at row `last` and changed `changed` events.
    pub fn at(self, last: i64, changed: u64) -> Self {
        Self { after: last, changed: self.changed + i64::try_from(changed).unwrap_or(i64::MAX) }
    }
}

// === impl Effect ===

impl Effect {
    /// Returns `Done` when something was changed, else `Nothing`.
    pub fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Nothing }
    }
}
