//! The ledger of started checks, as plugins use it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kyc_events::{EventStore, Expected, Ledger, Millis, Noted, Started, SubjectKind};
use kyc_model::TenantName;
use kyc_reconciliation::Wanted;

/// Notes started checks in the event store, if the gateway opens one.
pub(crate) struct LedgerOfStore {
    store: Arc<EventStore>,
    /// The time from the start of a check until its result is overdue.
    overdue: Millis,
    wanted: Wanted,
    is_used: AtomicBool,
    /// Tenants of which the log says that the results of their workflow runs are dropped.
    named: Mutex<HashSet<TenantName>>,
}

// === impl LedgerOfStore ===

impl LedgerOfStore {
    pub(super) fn new(store: Arc<EventStore>, overdue: Duration, wanted: Wanted) -> Self {
        let overdue = Millis::try_from(overdue.as_millis()).unwrap_or(Millis::MAX);
        Self { store, overdue, wanted, is_used: AtomicBool::new(false), named: Mutex::default() }
    }

    /// From now on checks are noted: a plugin uses the store.
    pub(super) fn use_store(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// Says once for each tenant that the result of what it has started will be dropped. `check` warns of it only where the
    /// tenant's `operations` name workflow runs.
    fn warn_if_dropped(&self, started: &Started<'_>) {
        if started.kind != SubjectKind::WorkflowRun || !self.wanted.drops_runs(started.tenant) {
            return;
        }
        let tenant = &started.tenant.name;
        if self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone()) {
            tracing::warn!(
                %tenant,
                "a workflow run was started, but its result will be dropped: map workflow_run.completed in events of the tenant"
            );
        }
    }
}

#[async_trait]
impl Ledger for LedgerOfStore {
    fn is_kept(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    async fn note(&self, started: Started<'_>) -> Noted {
        self.warn_if_dropped(&started);
        let overdue = started.at.saturating_add(self.overdue);
        let itself = self.wanted.takes_checks(started.tenant);
        self.store.note(started, Expected { overdue, itself }).await
    }
}
