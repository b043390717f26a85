//! The metrics of the event store.

use kyc_telemetry::{
    Counter, CounterFamily, Gauge, GaugeFamily, Histogram, MetricError, MetricsRegistry, names,
};

use crate::LedgerMetrics;

/// The metrics of the commit queue and of the store.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    /// Seconds from submitting an event to its commit.
    pub accepted: Histogram,
    /// Duration of a commit, in seconds.
    pub commit: Histogram,
    /// Commands per commit.
    pub batch: Histogram,
    /// Notifications that were not stored, by tenant and reason.
    pub refused: CounterFamily<2>,
    /// Batches that were not committed.
    pub failed: Counter,
    /// 1 when the store was found damaged, else 0.
    pub damaged: Gauge,
    /// Bytes of SQLite's write-ahead log; absent with PostgreSQL.
    pub wal: GaugeFamily<0>,
    /// The ledger of started checks.
    pub ledger: LedgerMetrics,
}

// === impl StoreMetrics ===

impl StoreMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// [`MetricError`] when one of the names is already registered.
    pub fn new(metrics: &MetricsRegistry) -> Result<Self, MetricError> {
        let histogram = |name, help, buckets: &[f64]| {
            Ok::<_, MetricError>(metrics.histogram(name, help, &[], buckets)?.with(&[]))
        };
        Ok(Self {
            accepted: histogram(
                names::WEBHOOK_ACKNOWLEDGE_DURATION,
                "Time until a notification is durable.",
                &SECONDS,
            )?,
            commit: histogram(names::EVENT_STORE_COMMIT_DURATION, "Duration of a commit.", &SECONDS)?,
            batch: histogram(names::EVENT_STORE_BATCH, "Commands per commit.", &CHANGES)?,
            refused: metrics.counter(
                names::EVENT_STORE_REFUSALS,
                "Notifications that were not stored.",
                &["tenant", "reason"],
            )?,
            failed: metrics
                .counter(names::EVENT_STORE_FAILURES, "Batches that were not committed.", &[])?
                .with(&[]),
            wal: metrics.gauge(names::EVENT_STORE_WAL, "Bytes of the write-ahead log.", &[])?,
            damaged: metrics
                .gauge(names::EVENT_STORE_DAMAGED, "Whether the event store was found damaged.", &[])?
                .with(&[]),
            ledger: LedgerMetrics::new(metrics)?,
        })
    }
}

/// Histogram buckets in seconds: a commit takes about a millisecond on a local disk, and a notification waits 5 s at most.
const SECONDS: [f64; 11] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 5.0];
/// Histogram buckets in commands per commit, up to the largest batch.
const CHANGES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 32.0, 128.0, 256.0, 512.0];
