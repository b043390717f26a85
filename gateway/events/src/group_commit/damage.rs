//! Known damage of the store.

use std::sync::{Arc, OnceLock};

use kyc_telemetry::Gauge;

use crate::StoreError;

/// Damage found by a check or by the writer; it is never cleared while the process runs.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    reason: Arc<OnceLock<String>>,
    gauge: Gauge,
}

// === impl Damage ===

impl Damage {
    /// No damage.
    pub(super) fn new(gauge: Gauge) -> Self {
        Self { reason: Arc::default(), gauge }
    }

    pub(super) fn note(&self, reason: &str) {
        if self.reason.set(reason.to_owned()).is_ok() {
            self.gauge.set(1);
            tracing::error!(
                reason,
                "the event store is damaged: notifications are refused until it is restored from a backup"
            );
        }
    }

    pub(super) fn notice(&self, error: &StoreError) {
        if let StoreError::Damaged(reason) = error {
            self.note(reason);
        }
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.reason.get().cloned()
    }
}
