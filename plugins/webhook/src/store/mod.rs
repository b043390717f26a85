//! Where acknowledged notifications are kept until their portal has taken them.
//!
//! One state machine: an event is *waiting* until it is *delivered* or *dead*. Engines keep it in one table and
//! change it in batches, one commit for each (`write`); what is in flight is known to the one dispatcher alone.

mod error;
mod inbox;
mod key;
mod seal;
mod sqlite;

use async_trait::async_trait;
use uuid::Uuid;

pub(crate) use error::{OpenError, StoreError};
pub(crate) use inbox::{Accepted, Inbox};
pub(crate) use key::KeySource;
pub(crate) use seal::{Keyring, Sealed};
pub(crate) use sqlite::{Sqlite, SqliteReader};

/// Milliseconds since the Unix epoch, by the system's clock.
pub(crate) type Millis = i64;

/// A notification to be kept.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub(crate) uid: Uuid,
    /// The tenant's `Name`: fixed at receipt, looked up anew for each delivery.
    pub(crate) tenant: String,
    /// Two with the same key are one event.
    pub(crate) dedup: Vec<u8>,
    /// `payload.action`; empty for a body that has none.
    pub(crate) kind: String,
    /// `payload.object.id`, for searches.
    pub(crate) resource: Option<String>,
    pub(crate) body: Sealed,
    pub(crate) received: Millis,
    /// The id of the request that brought it.
    pub(crate) trace: String,
    /// Set for a body that can never be delivered.
    pub(crate) dead: Option<DeadReason>,
}

/// An event whose time has come.
#[derive(Clone, Debug)]
pub(crate) struct DueEvent {
    pub(crate) id: i64,
    pub(crate) uid: Uuid,
    pub(crate) tenant: String,
    pub(crate) body: Sealed,
    /// Finished attempts so far.
    pub(crate) attempts: u32,
    /// When it was received, or last replayed: from then on it is tried until it is too old.
    pub(crate) received: Millis,
    pub(crate) trace: String,
}

/// A tenant that has waiting events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) tenant: String,
    /// When the first of them is due.
    pub(crate) first_due: Millis,
}

/// How many events of a tenant wait, for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) tenant: String,
    pub(crate) events: i64,
    pub(crate) first_due: Millis,
}

/// Which events an operator means; what is absent means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) uid: Option<Uuid>,
    pub(crate) tenant: Option<String>,
    /// `waiting`, `delivered` or `dead`.
    pub(crate) state: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) resource: Option<String>,
    /// Received at or after.
    pub(crate) since: Option<Millis>,
    /// Received before.
    pub(crate) until: Option<Millis>,
}

/// An event as operators see it: without its body.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) uid: Uuid,
    pub(crate) tenant: String,
    pub(crate) kind: String,
    pub(crate) resource: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) received: Millis,
    pub(crate) due: Millis,
    pub(crate) done: Option<Millis>,
    pub(crate) trace: String,
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

/// One finished try.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) at: Millis,
    pub(crate) took_ms: i64,
    /// The portal's status, when it answered.
    pub(crate) status: Option<u16>,
    /// What went wrong; absent for a success. Holds nothing that the portal said.
    pub(crate) error: Option<String>,
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
}

/// A change of the store.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Adds an event, unless one with its key is there.
    Insert(NewEvent),
    /// Ends a try.
    Finish { id: i64, attempt: Attempt, next: Next },
    /// Makes all waiting events of a tenant due: its portal is back.
    PullForward { tenant: String, now: Millis },
    /// Moves all due times: the system's clock has jumped.
    Shift { by: Millis },
    /// Brings due times that lie too far ahead back to `latest`.
    Clamp { latest: Millis },
    /// Makes events waiting again, `step` milliseconds apart, as if they had just been received.
    Replay { filter: Filter, now: Millis, step: Millis },
    /// Gives waiting events up.
    Discard { filter: Filter, now: Millis },
    /// Forgets keys of events received before `keys` and delivered events done before `delivered`.
    Sweep { keys: Millis, delivered: Millis },
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Done,
    /// An insert found its key taken, or a finish found the event not waiting any more.
    Nothing,
    /// So many events were changed.
    Changed(u64),
    /// An insert found the store at its size. Other changes still have room.
    Full,
}

/// The writing side of an engine: one for each process.
#[async_trait]
pub(crate) trait Writer: Send {
    /// Makes all changes durable in one commit, or none of them.
    async fn write(&mut self, batch: &[Change]) -> Result<Vec<Effect>, StoreError>;
}

/// The reading side of an engine, for the dispatcher.
#[async_trait]
pub(crate) trait Reader: Send {
    /// The tenants that have waiting events.
    async fn waiting(&mut self) -> Result<Vec<Waiting>, StoreError>;

    /// The first `limit` events of a tenant that are due, but those in `except`.
    async fn due(
        &mut self,
        tenant: &str,
        now: Millis,
        limit: usize,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError>;

    /// The newest `limit` events that fit.
    async fn list(&mut self, filter: &Filter, limit: usize) -> Result<Vec<Listed>, StoreError>;

    /// How many events fit.
    async fn count(&mut self, filter: &Filter) -> Result<i64, StoreError>;

    /// The finished tries of an event, in order.
    async fn attempts(&mut self, uid: Uuid) -> Result<Vec<Attempt>, StoreError>;

    /// How much waits.
    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError>;
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

/// The system's clock.
pub(crate) fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
