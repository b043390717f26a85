//! What an engine of the store has to be able to do.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    Alive, Attempt, Backlog, Change, Cursor, DueEvent, Effect, Filter, Listed, Millis, Owner, Parked, Record,
    Seen, Standing, StoreError, Undelivered,
};

/// A tenant that has waiting events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// When the first of them is due.
    pub first_due: Millis,
}

/// What is wanted of a tenant's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The tenant's name at receipt.
    pub tenant: String,
    /// The most events.
    pub limit: usize,
    /// Whether those count that were tried before.
    pub retries: bool,
}

/// The writing side of an engine: one for each process.
#[async_trait]
pub trait Writer: Send {
    /// Makes the changes durable, and says of each, in order, what became of it: one that is answered `Ok` is.
    async fn write(&mut self, batch: &[Change]) -> Vec<Result<Effect, StoreError>>;
}

/// The reading side of an engine, for the dispatcher.
#[async_trait]
pub trait Reader: Send {
    /// The tenants that have waiting events.
    async fn waiting(&mut self) -> Result<Vec<Waiting>, StoreError>;

    /// The first events that are due of each of some tenants, but those in `except`, in one step however many tenants
    /// they are. Where several gateways share a store, they are claimed for this one.
    async fn due_of(
        &mut self,
        wanted: &[Wanted],
        now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError>;

    /// The newest event of a tenant that is due and was never tried, claimed like those of [`Self::due_of`]; none when the
    /// newest 1,000 have all been tried.
    async fn newest_untried(
        &mut self,
        tenant: &str,
        now: Millis,
        except: &[i64],
    ) -> Result<Vec<DueEvent>, StoreError>;

    /// Whose the first of a tenant's waiting events is.
    async fn owner(&mut self, tenant: &str) -> Result<Option<Owner>, StoreError>;

    /// Whose the events are that are parked because their customers were not in the document.
    async fn parked_owners(&mut self) -> Result<Vec<Owner>, StoreError>;

    /// The first `limit` events of older releases that are nobody's yet, with their tenants' names.
    async fn unbound(&mut self, limit: usize) -> Result<Vec<(i64, String)>, StoreError>;

    /// The newest `limit` events that fit.
    async fn list(&mut self, filter: &Filter, limit: usize) -> Result<Vec<Listed>, StoreError>;

    /// The first `limit` undelivered events that fit, behind `after`, by the time of their receipt. Of the states only
    /// waiting and parked may be asked for.
    async fn undelivered(
        &mut self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Undelivered>, StoreError>;

    /// How many events fit.
    async fn count(&mut self, filter: &Filter) -> Result<i64, StoreError>;

    /// The finished tries of an event, in order.
    async fn attempts(&mut self, uid: Uuid) -> Result<Vec<Attempt>, StoreError>;

    /// How the events of each tenant stand.
    async fn standing(&mut self) -> Result<Vec<Standing>, StoreError>;

    /// How much waits.
    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError>;

    /// When the gateway was last there; unknown where a database's clock alone counts.
    async fn alive(&mut self) -> Result<Option<Alive>, StoreError> {
        Ok(None)
    }

    /// How much is parked.
    async fn parked(&mut self) -> Result<Vec<Parked>, StoreError>;

    /// The first `limit` events after `after` that fit, with everything.
    async fn records(&mut self, filter: &Filter, after: i64, limit: usize)
    -> Result<Vec<Record>, StoreError>;

    /// The first `limit` keys of forgotten notifications behind `after`.
    async fn seen(&mut self, after: &[u8], limit: usize) -> Result<Vec<Seen>, StoreError>;

    /// The bytes that events may still take; unknown where a server has the disk.
    async fn free(&mut self) -> Result<Option<u64>, StoreError>;
}

/// Which events are looked at for their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All events.
    All,
    /// The oldest and the newest ones, which takes no time at a start.
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
        Err(StoreError::Away)
    }

    async fn due_of(&mut self, _: &[Wanted], _: Millis, _: &[i64]) -> Result<Vec<DueEvent>, StoreError> {
        Err(StoreError::Away)
    }

    async fn newest_untried(&mut self, _: &str, _: Millis, _: &[i64]) -> Result<Vec<DueEvent>, StoreError> {
        Err(StoreError::Away)
    }

    async fn owner(&mut self, _: &str) -> Result<Option<Owner>, StoreError> {
        Err(StoreError::Away)
    }

    async fn parked_owners(&mut self) -> Result<Vec<Owner>, StoreError> {
        Err(StoreError::Away)
    }

    async fn unbound(&mut self, _: usize) -> Result<Vec<(i64, String)>, StoreError> {
        Err(StoreError::Away)
    }

    async fn list(&mut self, _: &Filter, _: usize) -> Result<Vec<Listed>, StoreError> {
        Err(StoreError::Away)
    }

    async fn undelivered(
        &mut self,
        _: &Filter,
        _: Option<Cursor>,
        _: usize,
    ) -> Result<Vec<Undelivered>, StoreError> {
        Err(StoreError::Away)
    }

    async fn count(&mut self, _: &Filter) -> Result<i64, StoreError> {
        Err(StoreError::Away)
    }

    async fn attempts(&mut self, _: Uuid) -> Result<Vec<Attempt>, StoreError> {
        Err(StoreError::Away)
    }

    async fn standing(&mut self) -> Result<Vec<Standing>, StoreError> {
        Err(StoreError::Away)
    }

    async fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        Err(StoreError::Away)
    }

    async fn parked(&mut self) -> Result<Vec<Parked>, StoreError> {
        Err(StoreError::Away)
    }

    async fn records(&mut self, _: &Filter, _: i64, _: usize) -> Result<Vec<Record>, StoreError> {
        Err(StoreError::Away)
    }

    async fn seen(&mut self, _: &[u8], _: usize) -> Result<Vec<Seen>, StoreError> {
        Err(StoreError::Away)
    }

    async fn free(&mut self) -> Result<Option<u64>, StoreError> {
        Err(StoreError::Away)
    }
}
