//! The metrics of deliveries.

use kyc_events::{Backlog, LedgerCounts, Millis, now};
use kyc_telemetry::{CounterFamily, Gauge, MetricError, MetricsRegistry, TenantHistogram, names};

use crate::config::DeliveryConfig;
use crate::status::{Counted, Status};

/// Dispatching: from the store to the portals.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryMetrics {
    /// Attempts by tenant and class.
    pub(crate) attempts: CounterFamily<2>,
    /// Events that became dead, by tenant and reason.
    pub(crate) dead: CounterFamily<2>,
    /// Seconds from receipt to delivery, by tenant.
    delay: TenantHistogram,
    /// Results of attempts that the store has not committed yet.
    pub(crate) pending_results: Gauge,
    /// Seconds from the start of a check to the delivery of its result, by tenant.
    start_to_delivery: TenantHistogram,
}

// === impl DeliveryMetrics ===

impl DeliveryMetrics {
    /// Registers the metrics, and gauges that are computed from `status` at each scrape.
    pub(crate) fn new(metrics: &MetricsRegistry, status: &Status) -> Result<Self, MetricError> {
        counted(metrics, status)?;
        ledger(metrics, status)?;
        held(metrics, status)?;
        Ok(Self {
            attempts: metrics.counter(
                names::DELIVERY_ATTEMPTS,
                "Attempts to deliver an event.",
                &["tenant", "class"],
            )?,
            dead: metrics.counter(names::EVENTS_DEAD, "Events that became dead.", &["tenant", "reason"])?,
            delay: metrics.tenant_histogram(
                names::DELIVERY_DELAY,
                "Time from the receipt of a notification to its delivery.",
                &DELAY_SECONDS,
            )?,
            pending_results: metrics
                .gauge(names::RESULTS_UNRECORDED, "Results of attempts that wait for the store.", &[])?
                .with(&[]),
            start_to_delivery: metrics.tenant_histogram(
                names::LEDGER_DELIVERY_DURATION,
                "Seconds from the start of a check to the delivery of its result.",
                &START_TO_DELIVERY,
            )?,
        })
    }

    /// Records the delivery of an event that was received then.
    pub(crate) fn observe_delay(&self, tenant: &str, received: Millis) {
        self.delay.of(tenant).observe(seconds_since(received));
    }

    /// Records the delivery of the result of a check or workflow run that was started then.
    pub(crate) fn observe_delivery(&self, tenant: &str, started: Millis) {
        self.start_to_delivery.of(tenant).observe(seconds_since(started));
    }
}

fn seconds_since(then: Millis) -> f64 {
    now().saturating_sub(then).max(0) as f64 / 1000.0
}

/// Gauges of the ledger of started checks, from the counts of the maintenance.
fn ledger(metrics: &MetricsRegistry, status: &Status) -> Result<(), MetricError> {
    let of_tenants = |name, help, value: fn(&LedgerCounts, &Counted) -> i64| {
        let status = status.clone();
        metrics.computed_gauge(name, help, &["tenant"], move |gauges| {
            let Some(counted) = status.fresh_count() else { return };
            for counts in &counted.ledger {
                gauges.with(&[counts.tenant.as_str()]).set(value(counts, &counted));
            }
        })
    };
    of_tenants(names::LEDGER_OPEN, "Started checks without a result.", |counts, _| counts.open)?;
    of_tenants(names::LEDGER_OVERDUE, "Started checks whose result is overdue.", |counts, _| counts.overdue)?;
    let help = "Seconds by which the oldest overdue result is late.";
    of_tenants(names::LEDGER_LATE, help, |counts, counted| {
        counts.overdue_since.map_or(0, |since| counted.seconds_since(since))
    })
}

/// Exports times of the configuration, for alerts.
///
/// # Errors
///
/// [`MetricError`] when a name is already registered with another kind.
pub(crate) fn export_limits(config: &DeliveryConfig, metrics: &MetricsRegistry) -> Result<(), MetricError> {
    let help = "Age at which an event becomes a dead letter.";
    metrics.limit_time(names::DELIVERY_GIVE_UP, help, config.give_up)?;
    let help = "Longest wait between two probes of a held portal.";
    metrics.limit_time(names::DELIVERY_PROBE_INTERVAL, help, config.breaker_longest)
}

/// Gauges from the counts of the maintenance; absent when the last count is old.
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
    of_lanes(names::EVENTS_PENDING, "Waiting events.", |lane, _| lane.events)?;
    of_lanes(
        names::EVENTS_OLDEST,
        "Seconds since the receipt of the oldest waiting event.",
        |lane, counted| counted.seconds_since(lane.oldest),
    )?;
    of_lanes(names::EVENTS_LATE, "Seconds by which the oldest due event is late.", |lane, counted| {
        // An event that was not late at the count may be delivered by now.
        if lane.first_due < counted.clock { counted.seconds_since(lane.first_due) } else { 0 }
    })?;
    of_lanes(names::EVENTS_NEXT_DUE, "When the next event is due, in Unix seconds.", |lane, _| {
        lane.first_due / 1000
    })?;
    let parked = status.clone();
    let help = "Parked events: kept, and not attempted.";
    metrics.computed_gauge(names::EVENTS_PARKED, help, &["tenant", "reason"], move |gauges| {
        for parked in parked.fresh_count().into_iter().flat_map(|counted| counted.parked) {
            gauges.with(&[&parked.tenant, &parked.reason]).set(parked.events);
        }
    })?;
    let free = status.clone();
    metrics.computed_gauge(
        names::EVENT_STORE_FREE,
        "Bytes left for events in the store.",
        &[],
        move |gauges| {
            if let Some(bytes) = free.fresh_count().and_then(|counted| counted.free) {
                gauges.with(&[]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
        },
    )
}

/// Gauges of breakers, holds and the dispatcher's heartbeat.
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
    let heartbeat = status.clone();
    let help = "When the dispatcher last read the store, in Unix seconds.";
    metrics.computed_gauge(names::DISPATCHER_HEARTBEAT, help, &[], move |gauges| {
        if let Some((at, _)) = heartbeat.heartbeat() {
            gauges.with(&[]).set(at / 1000);
        }
    })
}

/// Histogram buckets in seconds: the objective is a minute, and a portal may be down for days.
const DELAY_SECONDS: [f64; 8] = [1.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 21_600.0, 86_400.0];

/// Histogram buckets in seconds: Onfido completes most checks within minutes, and a found result is hours late.
const START_TO_DELIVERY: [f64; 12] =
    [1.0, 5.0, 15.0, 60.0, 180.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0, 259_200.0, 604_800.0];
