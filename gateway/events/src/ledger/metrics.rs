//! The metrics of the ledger.

use kyc_telemetry::{CounterFamily, Gauge, MetricError, MetricsRegistry, names};
use tracing::{error, warn};

use super::entry::NewEntry;
use crate::Source;

/// The metrics of the ledger.
#[derive(Clone, Debug)]
pub struct LedgerMetrics {
    /// Results that were settled, by tenant and by `notification` or `look_up`.
    pub settled: CounterFamily<2>,
    /// Entries that wait in memory.
    pub unwritten: Gauge,
    /// Lost entries, by tenant and by `not_stored` or `share`.
    pub lost: CounterFamily<2>,
}

/// Why an entry is not in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LostReason {
    /// The store did not take it in time.
    NotStored,
    /// Its tenant has as many entries as it may have.
    Share,
}

// === impl LedgerMetrics ===

impl LedgerMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// [`MetricError`] when one of the names is already registered.
    pub fn new(metrics: &MetricsRegistry) -> Result<Self, MetricError> {
        Ok(Self {
            settled: metrics.counter(
                names::LEDGER_SETTLED,
                "Results of started checks that were settled.",
                &["tenant", "by"],
            )?,
            unwritten: metrics
                .gauge(names::LEDGER_UNWRITTEN, "Entries of the ledger that wait in memory.", &[])?
                .with(&[]),
            lost: metrics.counter(
                names::LEDGER_LOST,
                "Entries of the ledger that are lost.",
                &["tenant", "reason"],
            )?,
        })
    }

    /// Counts an entry that is lost, and logs which one.
    pub(crate) fn lose(&self, entry: &NewEntry, reason: LostReason) {
        self.lost.with(&[entry.owner.tenant.as_str(), reason.name()]).inc();
        let (tenant, kind) = (&entry.owner.tenant, entry.kind.name());
        let request_id = entry.trace.split(' ').next().unwrap_or_default();
        match reason {
            LostReason::NotStored => error!(
                tenant,
                request_id,
                kind,
                "a started check is not in the ledger: the event store did not take it in time"
            ),
            LostReason::Share => warn!(
                tenant,
                request_id,
                kind,
                "a started check is not in the ledger: its tenant has as many as it may have (events.max_checks_per_tenant)"
            ),
        }
    }

    /// Counts a result that an event from this source has settled.
    pub fn count_settled(&self, tenant: &str, source: Source) {
        let by = match source {
            Source::Notification => "notification",
            Source::Reconciliation => "look_up",
        };
        self.settled.with(&[tenant, by]).inc();
    }
}

// === impl LostReason ===

impl LostReason {
    /// Returns the name in metrics.
    fn name(self) -> &'static str {
        match self {
            Self::NotStored => "not_stored",
            Self::Share => "share",
        }
    }
}
