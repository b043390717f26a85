//! The reading side of the ledger.

use std::time::Duration;

use async_trait::async_trait;

use super::entry::{LedgerCounts, LedgerEntry};
use super::filter::LedgerFilter;
use crate::{Cursor, Millis, StoreError};

/// Reads the ledger, for the reconciliation and the admin API. Every method returns [`StoreError`] when the store cannot be
/// read.
#[async_trait]
pub trait LedgerReader: Send {
    /// Returns the first `limit` open entries of a tenant that are due for a look-up: those that were never looked
    /// up first, then the oldest due time. With PostgreSQL they are claimed for this gateway: no other one gets them within
    /// `lease`, unless a command gives them another due time.
    async fn ledger_due(
        &mut self,
        tenant: &str,
        now: Millis,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Returns the first `limit` entries that match, the newest start first; those before `before`, if given.
    async fn ledger_list(
        &mut self,
        filter: &LedgerFilter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Returns the first `limit` entries that match, the oldest start first.
    async fn ledger_oldest(
        &mut self,
        filter: &LedgerFilter,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Returns the number of open and of overdue entries of each tenant that has open ones, and when its first look-up is
    /// due. It reads an index of the open entries alone.
    async fn ledger_counts(&mut self, now: Millis) -> Result<Vec<LedgerCounts>, StoreError>;

    /// Returns the first `limit` entries with a row id above `after`, for `events copy`.
    async fn ledger_records(&mut self, after: i64, limit: usize) -> Result<Vec<LedgerEntry>, StoreError>;
}
