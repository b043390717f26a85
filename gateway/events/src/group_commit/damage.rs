//! Damage of the store that was found: by the integrity check, or by an error of the writer or a reader.

use std::sync::{Arc, OnceLock};

use kyc_telemetry::Gauge;

use crate::StoreError;

/// The first damage that was found. It is not cleared while the process runs: a damaged file must be restored, and that
/// needs a restart.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    reason: Arc<OnceLock<String>>,
    gauge: Gauge,
}

// === impl Damage ===

impl Damage {
    /// Creates the state without damage.
    pub(super) fn new(gauge: Gauge) -> Self {
        Self { reason: Arc::default(), gauge }
    }

    pub(super) fn mark(&self, reason: &str) {
        if self.reason.set(reason.to_owned()).is_ok() {
            self.gauge.set(1);
            tracing::error!(
                reason,
                "the event store is damaged: notifications are refused until it is restored from a backup"
            );
        }
    }

    pub(super) fn mark_if_damaged(&self, error: &StoreError) {
        if let StoreError::Damaged(reason) = error {
            self.mark(reason);
        }
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.reason.get().cloned()
    }
}
