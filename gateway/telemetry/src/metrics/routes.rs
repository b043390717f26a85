//! The metrics of routes.
//!
//! A call looks up labels once: by its tenant, for the counter of its status class and the histogram of the tenant together. What
//! depends on the route alone is looked up when the route is built.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::family::{Counter, CounterFamily, Histogram, HistogramFamily};
use super::registry::{MetricError, MetricsRegistry};
use super::tenant_histogram::{MAX_TENANTS, OTHER_TENANTS};
use crate::names;

/// The metrics of all routes.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    requests: CounterFamily<3>,
    refusals: CounterFamily<2>,
    duration: HistogramFamily<1>,
    upstream_duration: HistogramFamily<1>,
    tenant_duration: HistogramFamily<2>,
}

/// The metrics of one route. The lookup by label happens once, when the route is built, and once for each of its tenants.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    route: String,
    families: Routes,
    tenants: Arc<RwLock<HashMap<String, TenantMetrics>>>,
    duration: Histogram,
    upstream_duration: Histogram,
}

/// What a route counts for one tenant.
#[derive(Debug)]
struct TenantMetrics {
    /// By status class, `1xx` to `5xx`; empty until the first response of the class.
    requests: [OnceLock<Counter>; CLASSES.len()],
    /// `None` for requests of no tenant.
    duration: Option<Histogram>,
}

// === impl Routes ===

impl Routes {
    pub(super) fn new(registry: &MetricsRegistry) -> Result<Self, MetricError> {
        let histograms = |name, help| registry.histogram(name, help, &["route"], &SECONDS);
        Ok(Self {
            requests: registry.counter(
                names::REQUESTS,
                "Requests that got a response.",
                &["route", "tenant", "status_class"],
            )?,
            refusals: registry.counter(
                names::REFUSALS,
                "Requests that the gateway itself refused or failed.",
                &["route", "code"],
            )?,
            duration: histograms(
                names::REQUEST_DURATION,
                "Time from the request head to the end of the response.",
            )?,
            upstream_duration: histograms(
                names::UPSTREAM_DURATION,
                "Time from the request head to the response head of the upstream.",
            )?,
            tenant_duration: registry.histogram(
                names::TENANT_REQUEST_DURATION,
                "Time from the request head to the end of the response, by tenant.",
                &["route", "tenant"],
                &COARSE_SECONDS,
            )?,
        })
    }

    pub(super) fn of(&self, route: &str) -> RouteMetrics {
        RouteMetrics {
            route: route.to_owned(),
            families: self.clone(),
            tenants: Arc::default(),
            duration: self.duration.with(&[route]),
            upstream_duration: self.upstream_duration.with(&[route]),
        }
    }
}

// === impl RouteMetrics ===

impl RouteMetrics {
    /// Counts a response and observes its durations. `tenant` is empty when none was found.
    pub fn answered(&self, tenant: &str, status: u16, seconds: f64, upstream_seconds: Option<f64>) {
        self.duration.observe(seconds);
        if let Some(seconds) = upstream_seconds {
            self.upstream_duration.observe(seconds);
        }
        let known = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = known.get(tenant) {
            metrics.answered(self, tenant, status, seconds);
            return;
        }
        drop(known);
        let mut known = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let others = known.len();
        let metrics = known.entry(tenant.to_owned()).or_insert_with(|| self.first_of(tenant, others));
        metrics.answered(self, tenant, status, seconds);
    }

    /// Counts a request that the gateway itself refused or failed.
    pub fn refused(&self, code: &'static str) {
        self.families.refusals.with(&[self.route.as_str(), code]).inc();
    }

    /// Creates the metrics of a tenant, after those of `others`.
    fn first_of(&self, tenant: &str, others: usize) -> TenantMetrics {
        let label = if others < MAX_TENANTS { tenant } else { OTHER_TENANTS };
        let histogram = || self.families.tenant_duration.with(&[self.route.as_str(), label]);
        TenantMetrics { requests: Default::default(), duration: (!tenant.is_empty()).then(histogram) }
    }
}

// === impl TenantMetrics ===

impl TenantMetrics {
    fn answered(&self, route: &RouteMetrics, tenant: &str, status: u16, seconds: f64) {
        if let Some(duration) = &self.duration {
            duration.observe(seconds);
        }
        let class = class_index(status);
        if let (Some(counter), Some(name)) = (self.requests.get(class), CLASSES.get(class)) {
            counter.get_or_init(|| route.families.requests.with(&[route.route.as_str(), tenant, name])).inc();
        }
    }
}

/// Returns the place of a status in [`CLASSES`]; a status that is none counts as a failure.
fn class_index(status: u16) -> usize {
    match status {
        100..=499 => usize::from(status / 100) - 1,
        _ => CLASSES.len() - 1,
    }
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The upper bounds of the duration buckets, in seconds: from the gateway's own overhead to the longest upstream timeout. They are
/// close to each other from 20 ms to 2.5 s, where Onfido's responses are.
pub(super) const SECONDS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 10.0, 30.0,
    120.0,
];

/// Fewer buckets for the histograms of tenants, of which there are many.
const COARSE_SECONDS: [f64; 9] = [0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_beyond_the_limit_share_a_histogram_and_keep_their_counters() {
        let registry = MetricsRegistry::default();
        let route = Routes::new(&registry).unwrap().of("onfido");

        for tenant in 0..MAX_TENANTS + 2 {
            route.answered(&format!("t{tenant}"), 200, 0.3, None);
        }
        let text = String::from_utf8(registry.encode().unwrap()).unwrap();

        let lines = |begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
        assert_eq!(lines("kyc_gateway_tenant_request_duration_seconds_count"), MAX_TENANTS + 1);
        assert_eq!(lines("kyc_gateway_requests_total"), MAX_TENANTS + 2);
        let others = r#"kyc_gateway_tenant_request_duration_seconds_bucket{route="onfido",tenant="(other)",le="0.5"} 2"#;
        assert!(text.contains(others), "{text}");
    }

    #[test]
    fn classes_appear_with_their_first_response_and_requests_without_a_tenant_have_no_histogram() {
        let registry = MetricsRegistry::default();
        let route = Routes::new(&registry).unwrap().of("onfido");

        for status in [204, 499, 999] {
            route.answered("", status, 0.3, Some(0.2));
        }
        let text = String::from_utf8(registry.encode().unwrap()).unwrap();

        for (class, is_there) in [("1xx", false), ("2xx", true), ("3xx", false), ("4xx", true), ("5xx", true)]
        {
            assert_eq!(text.contains(&format!(r#"status_class="{class}""#)), is_there, "{class}");
        }
        assert!(!text.contains("kyc_gateway_tenant_request_duration_seconds_count"), "{text}");
    }
}
