//! What storing and dispatching are measured by.

use kyc_telemetry::{
    Counter, CounterFamily, Gauge, GaugeFamily, Histogram, MetricError, MetricsRegistry, names,
};

use crate::dispatch::{Counted, Status};
use crate::store::{Backlog, Inbox};

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
    pub(crate) refused: CounterFamily<2>,
    /// Batches that were not committed.
    pub(crate) failed: Counter,
    /// 1 once the store was found damaged.
    pub(crate) damaged: Gauge,
    /// Bytes of SQLite's write-ahead log; absent where a server has the store.
    pub(crate) wal: GaugeFamily<0>,
}

/// Dispatching: from the store to the portals.
#[derive(Clone, Debug)]
pub(crate) struct DispatchMetrics {
    /// Tries by tenant and class.
    pub(crate) attempts: CounterFamily<2>,
    /// Events given up by tenant and reason.
    pub(crate) dead: CounterFamily<2>,
    /// Results of deliveries that the store has not taken yet.
    pub(crate) unrecorded: Gauge,
}

// === impl StoreMetrics ===

impl StoreMetrics {
    pub(crate) fn new(metrics: &MetricsRegistry) -> Result<Self, MetricError> {
        let histogram = |name, help, buckets: &[f64]| {
            Ok::<_, MetricError>(metrics.histogram(name, help, &[], buckets)?.with(&[]))
        };
        Ok(Self {
            accepted: histogram(
                names::WEBHOOK_ACKNOWLEDGE_DURATION,
                "Time until a notification is durable.",
                &SECONDS,
            )?,
            commit: histogram(names::EVENT_STORE_COMMIT_DURATION, "Time of a commit.", &SECONDS)?,
            batch: histogram(names::EVENT_STORE_BATCH, "Changes of a commit.", &CHANGES)?,
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
        })
    }
}

// === impl DispatchMetrics ===

impl DispatchMetrics {
    /// Makes them, and those that are computed from `status` at each scrape.
    pub(crate) fn new(metrics: &MetricsRegistry, route: &str, status: &Status) -> Result<Self, MetricError> {
        counted(metrics, status)?;
        held(metrics, route, status)?;
        Ok(Self {
            attempts: metrics.counter(
                names::DELIVERY_ATTEMPTS,
                "Tries to deliver an event.",
                &["tenant", "class"],
            )?,
            dead: metrics.counter(names::EVENTS_DEAD, "Events given up.", &["tenant", "reason"])?,
            unrecorded: metrics
                .gauge(names::RESULTS_UNRECORDED, "Results of deliveries that wait for the store.", &[])?
                .with(&[]),
        })
    }
}

/// Shows how many changes wait for the writer, also when that does not come back.
pub(crate) fn queue(metrics: &MetricsRegistry, inbox: &Inbox) -> Result<(), MetricError> {
    let inbox = inbox.clone();
    let help = "Changes that wait for a commit.";
    metrics.computed_gauge(names::EVENT_STORE_QUEUE, help, &[], move |gauges| {
        gauges.with(&[]).set(i64::try_from(inbox.waiting()).unwrap_or(i64::MAX));
    })
}

/// What is counted in the store every few seconds: absent when that is long ago.
fn counted(metrics: &MetricsRegistry, status: &Status) -> Result<(), MetricError> {
    let of_lanes = |name, help, value: fn(&Backlog, &Counted) -> i64| {
        let status = status.clone();
        metrics.computed_gauge(name, help, &["tenant"], move |gauges| {
            let Some(counted) = status.fresh_count() else { return };
            for lane in &counted.backlog {
                gauges.with(&[lane.tenant.as_str()]).set(value(lane, &counted));
            }
        })
    };
    of_lanes(names::EVENTS_PENDING, "Events that wait.", |lane, _| lane.events)?;
    of_lanes(
        names::EVENTS_OLDEST,
        "Age of the oldest event that waits, since its receipt.",
        |lane, counted| counted.seconds_since(lane.oldest),
    )?;
    of_lanes(names::EVENTS_LATE, "How late the oldest due event is.", |lane, counted| {
        // What was not late when it was counted may be delivered by now.
        if lane.first_due < counted.clock { counted.seconds_since(lane.first_due) } else { 0 }
    })?;
    of_lanes(names::EVENTS_NEXT_DUE, "When the next event is due.", |lane, _| lane.first_due / 1000)?;
    let parked = status.clone();
    let help = "Events that are kept and not tried.";
    metrics.computed_gauge(names::EVENTS_PARKED, help, &["tenant", "reason"], move |gauges| {
        for parked in parked.fresh_count().into_iter().flat_map(|counted| counted.parked) {
            gauges.with(&[&parked.tenant, &parked.reason]).set(parked.events);
        }
    })?;
    let free = status.clone();
    metrics.computed_gauge(names::EVENT_STORE_FREE, "Bytes that events may still take.", &[], move |gauges| {
        if let Some(bytes) = free.fresh_count().and_then(|counted| counted.free) {
            gauges.with(&[]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    })
}

/// Whether there are deliveries.
fn held(metrics: &MetricsRegistry, route: &str, status: &Status) -> Result<(), MetricError> {
    let breakers = status.clone();
    let help = "Whether deliveries are held: 0 closed, 1 half open, 2 open.";
    metrics.computed_gauge(names::DELIVERY_BREAKER, help, &["tenant"], move |gauges| {
        for (tenant, breaker, _) in breakers.lanes() {
            gauges.with(&[&tenant]).set(breaker);
        }
    })?;
    let holds = status.clone();
    let help = "1 while deliveries are held.";
    metrics.computed_gauge(names::DELIVERY_HELD, help, &["tenant", "reason"], move |gauges| {
        for (tenant, _, cause) in holds.lanes() {
            if let Some(cause) = cause {
                gauges.with(&[tenant.as_str(), cause.name()]).set(1);
            }
        }
    })?;
    let (beats, route) = (status.clone(), route.to_owned());
    let help = "When the dispatcher has looked into the store last.";
    metrics.computed_gauge(names::DISPATCHER_HEARTBEAT, help, &["route"], move |gauges| {
        if let Some((at, _)) = beats.heartbeat() {
            gauges.with(&[&route]).set(at / 1000);
        }
    })
}

const SECONDS: [f64; 11] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 5.0];
const CHANGES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 32.0, 128.0, 256.0, 512.0];
