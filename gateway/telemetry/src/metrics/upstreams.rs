//! The metrics of upstreams.

use super::family::{CounterFamily, GaugeFamily};
use super::registry::{MetricError, MetricsRegistry};
use crate::names;

/// The metrics of upstreams, by tenant.
#[derive(Clone, Debug)]
pub struct Upstreams {
    denials: CounterFamily<1>,
    rejected: CounterFamily<2>,
    open: GaugeFamily<2>,
}

// === impl Upstreams ===

impl Upstreams {
    pub(super) fn new(registry: &MetricsRegistry) -> Result<Self, MetricError> {
        Ok(Self {
            denials: registry.counter(
                names::UPSTREAM_DENIALS,
                "Responses 401 and 403 of the upstream to a tenant's credential.",
                &["tenant"],
            )?,
            rejected: registry.counter(
                names::UPSTREAM_REJECTED,
                "Calls that the gateway rejected because of the circuit breaker or the concurrency limit.",
                &["tenant", "reason"],
            )?,
            open: registry.gauge(
                names::UPSTREAM_OPEN,
                "1 while the circuit breaker of a failing upstream is open.",
                &["tenant", "upstream"],
            )?,
        })
    }

    pub(super) fn tenant_known(&self, tenant: &str) {
        let _ = self.denials.with(&[tenant]);
    }

    /// Counts a response 401 or 403 to a tenant's credential.
    pub fn denied(&self, tenant: &str) {
        self.denials.with(&[tenant]).inc();
    }

    /// Counts a rejected call: `in_flight` or `breaker`.
    pub fn rejected(&self, tenant: &str, reason: &'static str) {
        self.rejected.with(&[tenant, reason]).inc();
    }

    /// Sets whether the circuit breaker of an upstream is open.
    pub fn breaker_open(&self, tenant: &str, upstream: &str, is_open: bool) {
        self.open.with(&[tenant, upstream]).set(i64::from(is_open));
    }
}
