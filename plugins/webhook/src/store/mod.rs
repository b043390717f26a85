//! Where acknowledged notifications are kept until their portal has taken them.
//!
//! One state machine: an event is *waiting* until it is *delivered* or *dead*; one that this gateway must not or cannot
//! deliver is *parked*, with a reason, until an operator or a change of the configuration helps. Engines keep it in one table and
//! change it in batches, one commit for each (`write`); what is in flight is known to the one dispatcher alone.

mod audit;
mod change;
mod engine;
mod error;
mod inbox;
mod key;
mod lock;
mod owner;
mod place;
mod postgres;
mod seal;
mod share;
mod sqlite;
mod view;

use uuid::Uuid;

pub(crate) use audit::{Records, copy_chain};
pub(crate) use change::{
    Alive, Attempt, Bound, Change, Claim, Effect, Failure, Finish, Next, Progress, Reseal, Sweep,
};
pub(crate) use engine::{Extent, NotOpen, Reader, Waiting, Wanted, Writer};
pub(crate) use error::{OpenError, StoreError};
pub(crate) use inbox::{Accepted, Inbox};
pub(crate) use key::{KeyPlace, KeySource};
pub(crate) use lock::{alone, in_use, lock};
pub(crate) use owner::{Binding, Customer, Directory, Owner, Recipient};
pub(crate) use place::{MOVED, beside, sync_name};
pub(crate) use postgres::{Postgres, PostgresRecords, check_address, listen};
pub(crate) use seal::{Keyring, Sealed};
pub(crate) use share::Share;
pub(crate) use sqlite::{Integrity, Sqlite, SqliteRecords};
pub(crate) use view::{Cursor, Standing, Undelivered};

/// Milliseconds since the Unix epoch, by the system's clock.
pub(crate) type Millis = i64;

/// A notification to be kept.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub(crate) uid: Uuid,
    /// Fixed at receipt; who it is now is looked up for each delivery.
    pub(crate) owner: Owner,
    /// Two with the same key are one event.
    pub(crate) dedup: Dedup,
    /// `payload.action`; empty for a body that has none.
    pub(crate) kind: String,
    /// `payload.object.id`, for searches.
    pub(crate) resource: Option<String>,
    pub(crate) body: Sealed,
    pub(crate) received: Millis,
    /// The request that brought it and its trace, as [`kyc_model::Correlation`] writes it.
    pub(crate) trace: String,
    /// Set for a body that can never be delivered.
    pub(crate) dead: Option<DeadReason>,
}

/// By what a notification is known when it comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dedup {
    /// By the customer, under the current key; the one that is kept.
    pub(crate) current: Vec<u8>,
    /// Under each of the previous keys, and by what else the customer was known by.
    pub(crate) previous: Vec<Vec<u8>>,
}

/// A notification whose event is forgotten already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The tenant's name at receipt.
    pub(crate) tenant: String,
    pub(crate) dedup: Vec<u8>,
    /// When it was received.
    pub(crate) at: Millis,
}

/// An event whose time has come.
#[derive(Clone, Debug)]
pub(crate) struct DueEvent {
    /// The latest one alone may end the try.
    pub(crate) claim: Claim,
    pub(crate) uid: Uuid,
    pub(crate) owner: Owner,
    pub(crate) body: Sealed,
    /// Finished attempts so far.
    pub(crate) attempts: u32,
    /// Those among them in which the portal did not want this event.
    pub(crate) refusals: u32,
    /// When it was received, or last replayed: from then on it is tried until it is too old.
    pub(crate) received: Millis,
    pub(crate) trace: String,
}

/// How many events of a tenant wait, for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) tenant: String,
    pub(crate) events: i64,
    pub(crate) first_due: Millis,
    /// When the oldest of them was received.
    pub(crate) oldest: Millis,
}

/// How many events of a tenant are parked for a reason, for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) tenant: String,
    pub(crate) reason: String,
    pub(crate) events: i64,
}

/// Which events an operator means; what is absent means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) uid: Option<Uuid>,
    pub(crate) tenant: Option<String>,
    pub(crate) state: Option<State>,
    pub(crate) kind: Option<String>,
    pub(crate) resource: Option<String>,
    /// Received at or after.
    pub(crate) since: Option<Millis>,
    /// Received before.
    pub(crate) until: Option<Millis>,
    /// Dead or parked for this reason.
    pub(crate) reason: Option<String>,
    /// Not for this one.
    pub(crate) not_reason: Option<&'static str>,
    /// Sealed with one of these keys.
    pub(crate) under: Option<Vec<i64>>,
    /// Sealed with none of these keys.
    pub(crate) not_under: Option<Vec<i64>>,
}

/// An event as operators see it: without its body.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) uid: Uuid,
    pub(crate) tenant: String,
    pub(crate) kind: String,
    pub(crate) resource: Option<String>,
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) received: Millis,
    pub(crate) due: Millis,
    pub(crate) done: Option<Millis>,
    pub(crate) trace: String,
}

/// All that the store has of an event, for another store or a file.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: i64,
    pub(crate) listed: Listed,
    pub(crate) owner: Owner,
    pub(crate) dedup: Option<Vec<u8>>,
    pub(crate) body: Sealed,
    /// Its age counts from here.
    pub(crate) since: Millis,
    pub(crate) tries: Vec<Attempt>,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Delivered,
    Dead,
    Parked,
}

/// Why an event is kept and not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParkReason {
    /// It is sealed with a key that is not configured.
    UnknownKey,
    /// Its customer's name is another one's now, or cannot be told.
    UnknownCustomer,
}

/// Why an event is not tried any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeadReason {
    /// The portal refuses this very event.
    Rejected,
    /// It is too old.
    Exhausted,
    /// It cannot be read.
    Poison,
}

// === impl Dedup ===

impl Dedup {
    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

// === impl State ===

impl State {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::Dead, Self::Parked];

    /// The number in the store.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
            Self::Parked => 3,
        }
    }

    /// The state of a number in the store.
    pub(crate) fn of(code: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.code() == code).unwrap_or(Self::Dead)
    }

    /// The name for operators.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Parked => "parked",
        }
    }
}

// === impl ParkReason ===

impl ParkReason {
    /// The name in the store and in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::UnknownCustomer => "unknown_customer",
        }
    }
}

// === impl DeadReason ===

impl DeadReason {
    /// The name in the store and in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::Poison => "poison",
        }
    }
}

/// The reason of an event that an operator has given up.
pub(crate) const DISCARDED: &str = "discarded";

/// Which dead events a notification that comes again makes waiting: neither those that an operator has discarded nor
/// those that cannot be read.
const REVIVABLE: &str = "state = 2 AND dead_reason IN ('rejected', 'exhausted')";

/// Events that one write looks at and changes at most.
const PAGE: i64 = 200;

/// Of how many of a tenant's events that are due a probe takes one.
const NEWEST: i64 = 1000;

/// The system's clock.
pub(crate) fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
