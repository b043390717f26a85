//! What deliveries are measured by.

use kyc_events::Backlog;
use kyc_telemetry::{CounterFamily, Gauge, MetricError, MetricsRegistry, names};

use crate::status::{Counted, Status};

/// Dispatching: from the store to the portals.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryMetrics {
    /// Tries by tenant and class.
    pub(crate) attempts: CounterFamily<2>,
    /// Events given up by tenant and reason.
    pub(crate) dead: CounterFamily<2>,
    /// Results of deliveries that the store has not taken yet.
    pub(crate) unrecorded: Gauge,
}

// === impl DeliveryMetrics ===

impl DeliveryMetrics {
    /// Makes them, and those that are computed from `status` at each scrape.
    pub(crate) fn new(metrics: &MetricsRegistry, status: &Status) -> Result<Self, MetricError> {
        counted(metrics, status)?;
        held(metrics, status)?;
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
fn held(metrics: &MetricsRegistry, status: &Status) -> Result<(), MetricError> {
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
    let beats = status.clone();
    let help = "When the dispatcher has read the event store last.";
    metrics.computed_gauge(names::DISPATCHER_HEARTBEAT, help, &[], move |gauges| {
        if let Some((at, _)) = beats.heartbeat() {
            gauges.with(&[]).set(at / 1000);
        }
    })
}
