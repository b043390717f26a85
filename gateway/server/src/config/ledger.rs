//! The ledger of started checks, as plugins use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kyc_events::{EventStore, Expected, Ledger, Millis, Noted, Started};
use kyc_reconciliation::Wanted;

/// Notes started checks in the event store, if the gateway opens one.
pub(crate) struct LedgerOfStore {
    store: Arc<EventStore>,
    /// The time from the start of a check until its result is overdue.
    overdue: Millis,
    wanted: Wanted,
    is_used: AtomicBool,
}

// === impl LedgerOfStore ===

impl LedgerOfStore {
    pub(super) fn new(store: Arc<EventStore>, overdue: Duration, wanted: Wanted) -> Self {
        let overdue = Millis::try_from(overdue.as_millis()).unwrap_or(Millis::MAX);
        Self { store, overdue, wanted, is_used: AtomicBool::new(false) }
    }

    /// From now on checks are noted: a plugin uses the store.
    pub(super) fn use_store(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Ledger for LedgerOfStore {
    fn is_kept(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    async fn note(&self, started: Started<'_>) -> Noted {
        let overdue = started.at.saturating_add(self.overdue);
        let itself = self.wanted.takes_checks(started.tenant);
        self.store.note(started, Expected { overdue, itself }).await
    }
}
