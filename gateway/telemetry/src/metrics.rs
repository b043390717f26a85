//! The gateway's own metrics, on its own registry.

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::names;
use connections::Listeners;

mod connections;
mod upstreams;

pub use connections::ConnectionMetrics;
pub use upstreams::Upstreams;

/// Every metric that the floors below the plugins write.
///
/// Cloning shares the metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    upstream_duration: HistogramVec,
    refusals: IntCounterVec,
    upstreams: Upstreams,
    tenant_polls: IntCounterVec,
    exports: Exports,
    listeners: Listeners,
    /// Requests being worked on.
    pub in_flight: IntGauge,
    /// Log lines that nobody read in time.
    pub log_lines_dropped: IntCounter,
    /// Tasks that panicked; each one cost a request or a try.
    pub panics: IntCounter,
    /// Tenants in the running snapshot.
    pub tenants: IntGauge,
    /// Refused entries of the last document.
    pub tenants_refused: IntGauge,
    /// Unix seconds of the last look at the tenant source that succeeded.
    pub tenants_refreshed: IntGauge,
}

/// What goes to collectors.
#[derive(Clone, Debug)]
struct Exports {
    taken: IntCounterVec,
    dropped: IntCounterVec,
    waiting: IntGaugeVec,
    spans: IntCounterVec,
}

/// The metrics of one collector of log events.
#[derive(Clone, Debug)]
pub struct ExportMetrics {
    pub(crate) delivered: IntCounter,
    pub(crate) dropped: IntCounter,
    pub(crate) waiting: IntGauge,
}

/// The metrics of one route, looked up once.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    route: String,
    requests: IntCounterVec,
    refusals: IntCounterVec,
    request_duration: Histogram,
    upstream_duration: Histogram,
}

// === impl Metrics ===

impl Metrics {
    /// Registers everything on a new registry.
    ///
    /// # Errors
    ///
    /// Never with the names in [`names`], which a test proves.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let gauge = |name: &str, help: &str| register(&registry, IntGauge::new(name, help)?);
        let histograms = |name: &str, help: &str| {
            let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
            register(&registry, HistogramVec::new(options, &["route"])?)
        };
        let build_info = register(
            &registry,
            IntGaugeVec::new(
                Opts::new(names::BUILD_INFO, "Version of this process, always 1."),
                &["version"],
            )?,
        )?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            requests: counters(names::REQUESTS, "Requests answered.", &["route", "tenant", "status_class"])?,
            request_duration: histograms(
                names::REQUEST_DURATION,
                "Time from request head to end of answer.",
            )?,
            upstream_duration: histograms(
                names::UPSTREAM_DURATION,
                "Time until the upstream's response head.",
            )?,
            refusals: counters(
                names::REFUSALS,
                "Requests refused or failed by the gateway.",
                &["route", "code"],
            )?,
            upstreams: Upstreams::new(&registry)?,
            tenant_polls: counters(names::TENANT_POLLS, "Looks at the tenant source.", &["result"])?,
            exports: Exports::new(&registry)?,
            listeners: Listeners::new(&registry)?,
            in_flight: gauge(names::IN_FLIGHT, "Requests being worked on.")?,
            log_lines_dropped: register(
                &registry,
                IntCounter::new(names::LOG_LINES_DROPPED, "Log lines dropped because nobody read the log.")?,
            )?,
            panics: register(&registry, IntCounter::new(names::PANICS, "Tasks that panicked.")?)?,
            tenants: gauge(names::TENANTS, "Tenants in the running snapshot.")?,
            tenants_refused: gauge(names::TENANTS_REFUSED, "Refused entries of the last tenant document.")?,
            tenants_refreshed: gauge(names::TENANTS_REFRESHED, "Last successful look at the tenant source.")?,
            registry,
        })
    }

    /// The registry, for the metrics of plugins.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The metrics of a listener.
    pub fn listener(&self, name: &str) -> ConnectionMetrics {
        self.listeners.of(name)
    }

    /// The metrics of a collector.
    pub fn collector(&self, name: &str) -> ExportMetrics {
        ExportMetrics {
            delivered: self.exports.taken.with_label_values(&[name]),
            dropped: self.exports.dropped.with_label_values(&[name]),
            waiting: self.exports.waiting.with_label_values(&[name]),
        }
    }

    /// Spans by result.
    pub(crate) fn spans(&self, result: &str) -> IntCounter {
        self.exports.spans.with_label_values(&[result])
    }

    /// The metrics of a route.
    pub fn route(&self, route: &str) -> RouteMetrics {
        RouteMetrics {
            route: route.to_owned(),
            requests: self.requests.clone(),
            refusals: self.refusals.clone(),
            request_duration: self.request_duration.with_label_values(&[route]),
            upstream_duration: self.upstream_duration.with_label_values(&[route]),
        }
    }

    /// Lets the counters of a tenant begin at zero, so that the first event is seen as an increase.
    pub fn tenant_known(&self, tenant: &str) {
        self.upstreams.tenant_known(tenant);
    }

    /// What is counted of upstreams.
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// Counts a look at the tenant source: `changed`, `unchanged` or `failed`.
    pub fn tenants_polled(&self, result: &'static str) {
        self.tenant_polls.with_label_values(&[result]).inc();
    }

    /// Writes all metrics in the Prometheus text format 0.0.4.
    ///
    /// # Errors
    ///
    /// When a metric family is inconsistent.
    pub fn encode(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

// === impl Exports ===

impl Exports {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, label: &str| {
            register(registry, IntCounterVec::new(Opts::new(name, help), &[label])?)
        };
        let waiting = Opts::new(names::LOG_EVENTS_WAITING, "Log events that wait for a collector.");
        Ok(Self {
            taken: counters(names::LOG_EVENTS_EXPORTED, "Log events that a collector took.", "collector")?,
            dropped: counters(names::LOG_EVENTS_DROPPED, "Log events that no collector got.", "collector")?,
            waiting: register(registry, IntGaugeVec::new(waiting, &["collector"])?)?,
            spans: counters(names::SPANS, "Spans by what became of them.", "result")?,
        })
    }
}

// === impl RouteMetrics ===

impl RouteMetrics {
    /// Counts an answer. `tenant` is empty while none was found.
    pub fn answered(&self, tenant: &str, status: u16, seconds: f64, upstream_seconds: Option<f64>) {
        self.requests.with_label_values(&[self.route.as_str(), tenant, status_class(status)]).inc();
        self.request_duration.observe(seconds);
        if let Some(seconds) = upstream_seconds {
            self.upstream_duration.observe(seconds);
        }
    }

    /// Counts a refusal or failure of the gateway's own.
    pub fn refused(&self, code: &'static str) {
        self.refusals.with_label_values(&[self.route.as_str(), code]).inc();
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn status_class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

const SECONDS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_and_is_written() {
        let metrics = Metrics::new().unwrap();
        metrics.route("onfido").answered("a", 201, 0.01, Some(0.009));

        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();

        assert!(
            text.contains(r#"kyc_gateway_requests_total{route="onfido",status_class="2xx",tenant="a"} 1"#)
        );
    }
}
