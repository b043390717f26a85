//! The interface of a storage engine: one writer, any number of readers.
//!
//! Both engines pass the same tests (`tests.rs`), so the dispatcher need not distinguish them. They differ in one
//! point: with PostgreSQL several gateways share the store, so reading due events also claims them.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    Attempt, Backlog, Command, Cursor, DeletedEventKey, DueEvent, Effect, Filter, Heartbeat, LedgerReader,
    ListedEvent, Millis, Owner, ParkedCount, Record, StoreError, TenantEventCounts, Undelivered,
};

/// A tenant that has waiting events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingTenant {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// When its first event is due.
    pub first_due: Millis,
}

/// A request for due events of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRequest {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// The maximum number of events.
    pub limit: usize,
    /// Whether to include events that were attempted before; `false` while other retries use all their places.
    pub retries: bool,
}

/// The writing side of an engine. Each process uses one.
#[async_trait]
pub trait Writer: Send {
    /// Applies the commands in one transaction where possible, and returns the effect of each in their order. A command
    /// whose effect is `Ok` is durable.
    async fn write(&mut self, batch: &[Command]) -> Vec<Result<Effect, StoreError>>;
}

/// The reading side of an engine, for the dispatcher and the admin API. Every method returns [`StoreError`] when the store
/// cannot be read.
#[async_trait]
pub trait Reader: LedgerReader {
    /// Returns the tenants that have waiting events, with the time at which the first of each is due.
    async fn waiting(&mut self) -> Result<Vec<WaitingTenant>, StoreError>;

    /// Returns the first due events of each tenant, without the rows in `except`, which are in flight. It is one query for
    /// all tenants, so that a thousand tenants cost no more than eight. With PostgreSQL the events are claimed for this
    /// gateway.
    async fn due_of(
        &mut self,
        wanted: &[DueRequest],
        now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError>;

    /// Returns the newest due event of a tenant that was never attempted, claimed like those of [`Self::due_of`]; none when
    /// the newest 1,000 were all attempted. A probe uses it, because the oldest event may be one that always fails.
    async fn newest_untried(
        &mut self,
        tenant: &str,
        now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError>;

    /// Returns the owner of the first waiting event of a tenant.
    async fn owner(&mut self, tenant: &str) -> Result<Option<Owner>, StoreError>;

    /// Returns the owners of events that are parked because their customers were not in the tenant document.
    async fn parked_owners(&mut self) -> Result<Vec<Owner>, StoreError>;

    /// Returns the row ids and tenant names of the first `limit` events of older releases that have no customer yet.
    async fn unbound(&mut self, limit: usize) -> Result<Vec<(i64, String)>, StoreError>;

    /// Returns the newest `limit` events that match.
    async fn list(&mut self, filter: &Filter, limit: usize) -> Result<Vec<ListedEvent>, StoreError>;

    /// Returns the first `limit` undelivered events after `after` that match, sorted by the time of receipt. A filter may
    /// name only the states `waiting` and `parked`; any other state matches nothing.
    async fn undelivered(
        &mut self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Undelivered>, StoreError>;

    /// Returns the number of events that match.
    async fn count(&mut self, filter: &Filter) -> Result<i64, StoreError>;

    /// Returns the finished attempts of an event, oldest first.
    async fn attempts(&mut self, uid: Uuid) -> Result<Vec<Attempt>, StoreError>;

    /// Returns the number of events of each tenant by state.
    async fn event_counts(&mut self) -> Result<Vec<TenantEventCounts>, StoreError>;

    /// Returns the backlog of each tenant that has waiting events.
    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError>;

    /// Returns the last heartbeat; `None` with PostgreSQL, whose server has its own clock.
    async fn alive(&mut self) -> Result<Option<Heartbeat>, StoreError> {
        Ok(None)
    }

    /// Returns the number of parked events of each tenant by reason.
    async fn parked(&mut self) -> Result<Vec<ParkedCount>, StoreError>;

    /// Returns the first `limit` events with a row id above `after` that match, with all columns.
    async fn records(&mut self, filter: &Filter, after: i64, limit: usize)
    -> Result<Vec<Record>, StoreError>;

    /// Returns the first `limit` deduplication keys of deleted events that sort after `after`.
    async fn seen(&mut self, after: &[u8], limit: usize) -> Result<Vec<DeletedEventKey>, StoreError>;

    /// Returns the bytes that are left for events; `None` with PostgreSQL, whose server manages the disk.
    async fn free(&mut self) -> Result<Option<u64>, StoreError>;
}

/// Which events a search for unknown keys reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySearch {
    /// All events: slow, for a copy of the store.
    AllEvents,
    /// The oldest 1,000 and the newest 1,000 events: fast enough for every start.
    OldestAndNewest,
}

// === impl KeySearch ===

impl KeySearch {
    /// Returns the SQL query of the key ids, which both engines understand.
    pub(super) fn query(self) -> &'static str {
        match self {
            Self::AllEvents => "SELECT DISTINCT key_id FROM event",
            Self::OldestAndNewest => {
                "SELECT key_id FROM (SELECT key_id FROM event ORDER BY id LIMIT 1000) oldest \
                 UNION SELECT key_id FROM (SELECT key_id FROM event ORDER BY id DESC LIMIT 1000) newest"
            }
        }
    }
}

/// The reader of a store that is not open: every read fails with [`StoreError::Unavailable`].
#[derive(Debug)]
pub struct ClosedReader;

#[async_trait]
impl Reader for ClosedReader {
    async fn waiting(&mut self) -> Result<Vec<WaitingTenant>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn due_of(&mut self, _: &[DueRequest], _: Millis, _: &[i64]) -> Result<Vec<DueEvent>, StoreError> {
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

    async fn list(&mut self, _: &Filter, _: usize) -> Result<Vec<ListedEvent>, StoreError> {
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

    async fn event_counts(&mut self) -> Result<Vec<TenantEventCounts>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn parked(&mut self) -> Result<Vec<ParkedCount>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn records(&mut self, _: &Filter, _: i64, _: usize) -> Result<Vec<Record>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn seen(&mut self, _: &[u8], _: usize) -> Result<Vec<DeletedEventKey>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn free(&mut self) -> Result<Option<u64>, StoreError> {
        Err(StoreError::Unavailable)
    }
}
