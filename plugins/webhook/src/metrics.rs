//! What storing and dispatching are measured by.

use kyc_plugin_api::Collectors;
use kyc_telemetry::names;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

/// Storing: from a notification to its commit.
#[derive(Clone, Debug)]
pub(crate) struct StoreMetrics {
    /// Seconds from a notification's hand-over to its commit.
    pub(crate) accepted: Histogram,
    /// Seconds of a commit.
    pub(crate) commit: Histogram,
    /// Changes of a commit.
    pub(crate) batch: Histogram,
    /// Notifications that were not stored, by tenant and reason.
    pub(crate) refused: IntCounterVec,
    /// Batches that were not committed.
    pub(crate) failed: IntCounter,
    /// Changes that wait for the writer.
    pub(crate) queue: IntGauge,
    /// 1 once the store was found damaged.
    pub(crate) damaged: IntGauge,
}

/// Dispatching: from the store to the portals.
#[derive(Clone, Debug)]
pub(crate) struct DispatchMetrics {
    /// Tries by tenant and class.
    pub(crate) attempts: IntCounterVec,
    /// Events given up by tenant and reason.
    pub(crate) dead: IntCounterVec,
    /// Waiting events by tenant.
    pub(crate) pending: IntGaugeVec,
    /// Parked events by tenant and reason.
    pub(crate) parked: IntGaugeVec,
    /// Seconds that the oldest due event of a tenant is late.
    pub(crate) late: IntGaugeVec,
    /// Seconds since the oldest waiting event of a tenant was received.
    pub(crate) oldest: IntGaugeVec,
    /// 0 closed, 1 half open, 2 open, by tenant.
    pub(crate) breaker: IntGaugeVec,
    /// Results of deliveries that the store has not taken yet.
    pub(crate) unrecorded: IntGauge,
    /// Bytes that events may still take; absent where a server has the disk.
    pub(crate) free: IntGaugeVec,
}

// === impl StoreMetrics ===

impl StoreMetrics {
    pub(crate) fn new(collectors: &Collectors) -> Result<Self, String> {
        let histogram = |name, help, buckets: &[f64]| {
            Ok::<_, String>(collectors.histogram(name, help, &[], buckets)?.with_label_values::<&str>(&[]))
        };
        Ok(Self {
            accepted: histogram(
                names::WEBHOOK_ACKNOWLEDGE_DURATION,
                "Time until a notification is durable.",
                &SECONDS,
            )?,
            commit: histogram(names::EVENT_STORE_COMMIT_DURATION, "Time of a commit.", &SECONDS)?,
            batch: histogram(names::EVENT_STORE_BATCH, "Changes of a commit.", &CHANGES)?,
            refused: collectors.counter(
                names::EVENT_STORE_REFUSALS,
                "Notifications that were not stored.",
                &["tenant", "reason"],
            )?,
            failed: collectors
                .counter(names::EVENT_STORE_FAILURES, "Batches that were not committed.", &[])?
                .with_label_values::<&str>(&[]),
            damaged: collectors
                .gauge(names::EVENT_STORE_DAMAGED, "Whether the event store was found damaged.", &[])?
                .with_label_values::<&str>(&[]),
            queue: collectors
                .gauge(names::EVENT_STORE_QUEUE, "Changes that wait for a commit.", &[])?
                .with_label_values::<&str>(&[]),
        })
    }
}

// === impl DispatchMetrics ===

impl DispatchMetrics {
    pub(crate) fn new(collectors: &Collectors) -> Result<Self, String> {
        let gauge = |name, help| collectors.gauge(name, help, &["tenant"]);
        Ok(Self {
            attempts: collectors.counter(
                names::DELIVERY_ATTEMPTS,
                "Tries to deliver an event.",
                &["tenant", "class"],
            )?,
            dead: collectors.counter(names::EVENTS_DEAD, "Events given up.", &["tenant", "reason"])?,
            pending: gauge(names::EVENTS_PENDING, "Events that wait.")?,
            parked: collectors.gauge(
                names::EVENTS_PARKED,
                "Events that are kept and not tried.",
                &["tenant", "reason"],
            )?,
            oldest: gauge(names::EVENTS_OLDEST, "Age of the oldest event that waits, since its receipt.")?,
            late: gauge(names::EVENTS_LATE, "How late the oldest due event is.")?,
            unrecorded: collectors
                .gauge(names::RESULTS_UNRECORDED, "Results of deliveries that wait for the store.", &[])?
                .with_label_values::<&str>(&[]),
            free: collectors.gauge(names::EVENT_STORE_FREE, "Bytes that events may still take.", &[])?,
            breaker: gauge(
                names::DELIVERY_BREAKER,
                "Whether deliveries are held: 0 closed, 1 half open, 2 open.",
            )?,
        })
    }
}

const SECONDS: [f64; 11] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 5.0];
const CHANGES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 32.0, 128.0, 256.0, 512.0];
