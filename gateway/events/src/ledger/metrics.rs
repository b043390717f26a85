//! The metrics of the ledger.

use kyc_telemetry::{CounterFamily, Gauge, MetricError, MetricsRegistry, names};

use crate::Source;

/// The metrics of the ledger.
#[derive(Clone, Debug)]
pub struct LedgerMetrics {
    /// Results that were settled, by tenant and by `notification` or `look_up`.
    pub settled: CounterFamily<2>,
    /// Entries that wait in memory.
    pub unwritten: Gauge,
    /// Lost entries by tenant.
    pub lost: CounterFamily<1>,
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
            lost: metrics.counter(names::LEDGER_LOST, "Entries of the ledger that are lost.", &["tenant"])?,
        })
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
