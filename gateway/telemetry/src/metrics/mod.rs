//! The gateway's own metrics, and the registry that plugins add theirs to.
//!
//! The registry is a value and not the global one of `prometheus`: each test starts with its own, and a library that registers
//! itself globally adds nothing to `/metrics`.

use crate::names;
use connections::Listeners;
use routes::Routes;

mod connections;
mod family;
mod registry;
mod routes;
mod tenant_histogram;
mod upstreams;

pub use connections::ConnectionMetrics;
pub use family::{Counter, CounterFamily, Gauge, GaugeFamily, Histogram, HistogramFamily};
pub use registry::{MetricError, MetricsRegistry};
pub use routes::RouteMetrics;
pub use tenant_histogram::TenantHistogram;
pub use upstreams::Upstreams;

/// The metrics of the gateway itself; plugins register theirs at [`Metrics::registry`].
///
/// Cloning shares the metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: MetricsRegistry,
    build: GaugeFamily<4>,
    routes: Routes,
    upstreams: Upstreams,
    tenant_polls: CounterFamily<1>,
    exports: Exports,
    listeners: Listeners,
    /// Requests in flight.
    pub in_flight: Gauge,
    /// Log lines dropped because standard output or the log files were not written fast enough.
    pub log_lines_dropped: Counter,
    /// Tasks that panicked. Each panic failed one request or one delivery attempt.
    pub panics: Counter,
    /// Tenants in the running snapshot.
    pub tenants: Gauge,
    /// Refused entries of the last document.
    pub tenants_refused: Gauge,
    /// Tenants that the newest document would remove, if that is refused.
    pub tenants_removal_refused: Gauge,
    /// Unix time of the last successful read of the tenant source.
    pub tenants_refreshed: Gauge,
}

/// What a program was built from.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// The version, as in the manifest.
    pub version: &'static str,
    /// The commit, in hexadecimal digits; it ends in `-dirty` where files were changed, and is `unknown` outside a repository.
    pub commit: &'static str,
    /// The date of the commit (RFC 3339), or `unknown`.
    pub date: &'static str,
    /// What the compiler says about its version.
    pub compiler: &'static str,
}

/// The metrics of exporters.
#[derive(Clone, Debug)]
struct Exports {
    taken: CounterFamily<1>,
    dropped: CounterFamily<1>,
    waiting: GaugeFamily<1>,
    spans: CounterFamily<1>,
}

/// The metrics of one collector of log events.
#[derive(Clone, Debug)]
pub struct ExportMetrics {
    pub(crate) delivered: Counter,
    pub(crate) dropped: Counter,
    pub(crate) waiting: Gauge,
}

// === impl Metrics ===

impl Metrics {
    /// Registers all metrics of the gateway on a new registry.
    ///
    /// # Errors
    ///
    /// [`MetricError`] for an invalid or duplicate name. A test checks that [`names`] has none.
    pub fn new() -> Result<Self, MetricError> {
        let registry = MetricsRegistry::default();
        let counter = |name, help| Ok::<_, MetricError>(registry.counter(name, help, &[])?.with(&[]));
        let gauge = |name, help| Ok::<_, MetricError>(registry.gauge(name, help, &[])?.with(&[]));
        registry.register_process()?;
        Ok(Self {
            build: registry.gauge(
                names::BUILD_INFO,
                "Build of this process, always 1.",
                &["version", "commit", "date", "compiler"],
            )?,
            routes: Routes::new(&registry)?,
            upstreams: Upstreams::new(&registry)?,
            tenant_polls: registry.counter(
                names::TENANT_POLLS,
                "Reads of the tenant source.",
                &["result"],
            )?,
            exports: Exports::new(&registry)?,
            listeners: Listeners::new(&registry)?,
            in_flight: gauge(names::IN_FLIGHT, "Requests in flight.")?,
            log_lines_dropped: counter(
                names::LOG_LINES_DROPPED,
                "Log lines dropped because standard output or the log files were not written fast enough.",
            )?,
            panics: counter(names::PANICS, "Panics of tasks.")?,
            tenants: gauge(names::TENANTS, "Tenants in the running snapshot.")?,
            tenants_refused: gauge(
                names::TENANTS_REFUSED,
                "Tenants of the last document with invalid entries.",
            )?,
            tenants_removal_refused: gauge(
                names::TENANTS_REMOVAL_REFUSED,
                "Tenants that the newest document would remove, if it is refused for that.",
            )?,
            tenants_refreshed: gauge(
                names::TENANTS_REFRESHED,
                "Unix time of the last successful read of the tenant source.",
            )?,
            registry,
        })
    }

    /// Shows what this process was built from.
    pub fn built_from(&self, build: &BuildInfo) {
        self.build.with(&[build.version, build.commit, build.date, build.compiler]).set(1);
    }

    /// Returns the registry, for the metrics of plugins.
    pub fn registry(&self) -> &MetricsRegistry {
        &self.registry
    }

    /// Returns the metrics of a listener.
    pub fn listener(&self, name: &str) -> ConnectionMetrics {
        self.listeners.of(name)
    }

    /// Returns the metrics of a collector of log events.
    pub fn collector(&self, name: &str) -> ExportMetrics {
        ExportMetrics {
            delivered: self.exports.taken.with(&[name]),
            dropped: self.exports.dropped.with(&[name]),
            waiting: self.exports.waiting.with(&[name]),
        }
    }

    /// Returns the counter of spans with this result.
    pub(crate) fn spans(&self, result: &str) -> Counter {
        self.exports.spans.with(&[result])
    }

    /// Returns the metrics of a route.
    pub fn route(&self, route: &str) -> RouteMetrics {
        self.routes.of(route)
    }

    /// Creates the counters of a tenant with the value zero. Prometheus sees no increase when a counter first appears with 1.
    pub fn tenant_known(&self, tenant: &str) {
        self.upstreams.tenant_known(tenant);
    }

    /// Returns the metrics of upstreams.
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// Counts a read of the tenant source: `changed`, `unchanged`, `refused` or `failed`.
    pub fn tenants_polled(&self, result: &'static str) {
        self.tenant_polls.with(&[result]).inc();
    }

    /// Writes all metrics in the Prometheus text format 0.0.4.
    ///
    /// # Errors
    ///
    /// [`MetricError::Encode`] when a metric family is inconsistent.
    pub fn encode(&self) -> Result<Vec<u8>, MetricError> {
        self.registry.encode()
    }
}

// === impl Exports ===

impl Exports {
    fn new(registry: &MetricsRegistry) -> Result<Self, MetricError> {
        let counters = |name, help, label| registry.counter(name, help, &[label]);
        Ok(Self {
            taken: counters(
                names::LOG_EVENTS_EXPORTED,
                "Log events that a collector accepted.",
                "collector",
            )?,
            dropped: counters(
                names::LOG_EVENTS_DROPPED,
                "Log events dropped because a collector refused them or because the queue was full.",
                "collector",
            )?,
            waiting: registry.gauge(
                names::LOG_EVENTS_WAITING,
                "Log events in the queue for a collector.",
                &["collector"],
            )?,
            spans: counters(names::SPANS, "Spans by result.", "result")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_metrics_register_and_are_encoded() {
        let metrics = Metrics::new().unwrap();
        metrics.route("onfido").answered("a", 201, 0.01, Some(0.009));

        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();

        assert!(
            text.contains(r#"kyc_gateway_requests_total{route="onfido",status_class="2xx",tenant="a"} 1"#)
        );
    }
}
