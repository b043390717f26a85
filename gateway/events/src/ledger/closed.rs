//! The ledger of a store that is not open.

use std::time::Duration;

use async_trait::async_trait;

use super::entry::{LedgerCounts, LedgerEntry};
use super::filter::LedgerFilter;
use super::reader::LedgerReader;
use crate::{ClosedReader, Cursor, Millis, StoreError};

#[async_trait]
impl LedgerReader for ClosedReader {
    async fn ledger_due(
        &mut self,
        _: &str,
        _: Millis,
        _: usize,
        _: Duration,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn ledger_list(
        &mut self,
        _: &LedgerFilter,
        _: Option<Cursor>,
        _: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn ledger_oldest(&mut self, _: &LedgerFilter, _: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn ledger_counts(&mut self, _: Millis) -> Result<Vec<LedgerCounts>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn ledger_records(&mut self, _: i64, _: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        Err(StoreError::Unavailable)
    }
}
