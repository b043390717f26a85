//! The interface of a storage engine.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    Attempt, Backlog, Command, Cursor, DueEvent, Effect, Filter, Heartbeat, Listed, Millis, Owner, Parked,
    Record, Seen, Standing, StoreError, Undelivered,
};

/// A tenant that has waiting events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// When the first of them is due.
    pub first_due: Millis,
}

/// A request for due events of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// The most events.
    pub limit: usize,
    /// Whether to include events that were attempted before.
    pub retries: bool,
}

/// The writing side of an engine: one for each process.
#[async_trait]
pub trait Writer: Send {
    /// Applies the commands, and returns the effect of each in order. A command with `Ok` is durable.
    async fn write(&mut self, batch: &[Command]) -> Vec<Result<Effect, StoreError>>;
}

/// The reading side of an engine, for the dispatcher.
#[async_trait]
pub trait Reader: Send {
    /// The tenants that have waiting events.
    async fn waiting(&mut self) -> Result<Vec<Waiting>, StoreError>;

    /// The first due events of each tenant, without the rows in `except`, in one query for all tenants. Where several
    /// gateways share a store, the events are claimed for this one.
    async fn due_of(
        &mut self,
        wanted: &[Wanted],
        now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError>;

    /// The newest event of a tenant that is due and was never attempted, claimed like those of [`Self::due_of`]; none when the
    /// newest 1,000 have all been attempted.
    async fn newest_untried(
        &mut self,
        tenant: &str,
        now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError>;

    /// The owner of the first waiting event of a tenant.
    async fn owner(&mut self, tenant: &str) -> Result<Option<Owner>, StoreError>;

    /// The owners of events that are parked because their customers were not in the document.
    async fn parked_owners(&mut self) -> Result<Vec<Owner>, StoreError>;

    /// The first `limit` events of older releases that are not assigned to a customer, with their tenant names.
    async fn unbound(&mut self, limit: usize) -> Result<Vec<(i64, String)>, StoreError>;

    /// The newest `limit` events that match.
    async fn list(&mut self, filter: &Filter, limit: usize) -> Result<Vec<Listed>, StoreError>;

    /// The first `limit` undelivered events that match, after `after`, by the time of their receipt. Of the states only
    /// waiting and parked may be asked for.
    async fn undelivered(
        &mut self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Undelivered>, StoreError>;

    /// How many events match.
    async fn count(&mut self, filter: &Filter) -> Result<i64, StoreError>;

    /// The finished attempts of an event, in order.
    async fn attempts(&mut self, uid: Uuid) -> Result<Vec<Attempt>, StoreError>;

    /// The number of events of each tenant by state.
    async fn standing(&mut self) -> Result<Vec<Standing>, StoreError>;

    /// The backlog of each tenant.
    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError>;

    /// The last heartbeat; `None` where the database's clock is used.
    async fn alive(&mut self) -> Result<Option<Heartbeat>, StoreError> {
        Ok(None)
    }

    /// The parked events of each tenant, by reason.
    async fn parked(&mut self) -> Result<Vec<Parked>, StoreError>;

    /// The first `limit` events after `after` that match, with all columns.
    async fn records(&mut self, filter: &Filter, after: i64, limit: usize)
    -> Result<Vec<Record>, StoreError>;

    /// The first `limit` deduplication keys of deleted events after `after`.
    async fn seen(&mut self, after: &[u8], limit: usize) -> Result<Vec<Seen>, StoreError>;

    /// The bytes left for events; `None` where a database server manages the disk.
    async fn free(&mut self) -> Result<Option<u64>, StoreError>;
}

/// Which events are searched for their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All events.
    All,
    /// The oldest and the newest ones: fast enough for every start.
    Ends,
}

// === impl Extent ===

impl Extent {
    pub(super) fn query(self) -> &'static str {
        match self {
            Self::All => "SELECT DISTINCT key_id FROM event",
            Self::Ends => {
                "SELECT key_id FROM (SELECT key_id FROM event ORDER BY id LIMIT 1000) oldest \
                 UNION SELECT key_id FROM (SELECT key_id FROM event ORDER BY id DESC LIMIT 1000) newest"
            }
        }
    }
}

/// A reader for the time before a store is open.
#[derive(Debug)]
pub struct NotOpen;

#[async_trait]
impl Reader for NotOpen {
    async fn waiting(&mut self) -> Result<Vec<Waiting>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn due_of(&mut self, _: &[Wanted], _: Millis, _: &[i64]) -> Result<Vec<DueEvent>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn newest_untried(&mut self, _: &str, _: Millis, _: &[i64]) -> Result<Vec<DueEvent>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn owner(&mut self, _: &str) -> Result<Option<Owner>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn parked_owners(&mut self) -> Result<Vec<Owner>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn unbound(&mut self, _: usize) -> Result<Vec<(i64, String)>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn list(&mut self, _: &Filter, _: usize) -> Result<Vec<Listed>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn undelivered(
        &mut self,
        _: &Filter,
        _: Option<Cursor>,
        _: usize,
    ) -> Result<Vec<Undelivered>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn count(&mut self, _: &Filter) -> Result<i64, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn attempts(&mut self, _: Uuid) -> Result<Vec<Attempt>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn standing(&mut self) -> Result<Vec<Standing>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn parked(&mut self) -> Result<Vec<Parked>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn records(&mut self, _: &Filter, _: i64, _: usize) -> Result<Vec<Record>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn seen(&mut self, _: &[u8], _: usize) -> Result<Vec<Seen>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn free(&mut self) -> Result<Option<u64>, StoreError> {
        Err(StoreError::Unavailable)
    }
}
