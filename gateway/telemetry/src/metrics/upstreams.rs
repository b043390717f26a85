//! What is counted of upstreams.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::register;
use crate::names;

/// The metrics of upstreams, by tenant.
#[derive(Clone, Debug)]
pub struct Upstreams {
    denials: IntCounterVec,
    rejected: IntCounterVec,
    open: IntGaugeVec,
}

// === impl Upstreams ===

impl Upstreams {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let open =
            Opts::new(names::UPSTREAM_OPEN, "1 while the circuit breaker of a failing upstream is open.");
        Ok(Self {
            denials: counters(
                names::UPSTREAM_DENIALS,
                "Answers 401 and 403 of the upstream to a tenant's credential.",
                &["tenant"],
            )?,
            rejected: counters(
                names::UPSTREAM_REJECTED,
                "Calls rejected by the circuit breaker or the limit of calls in flight.",
                &["tenant", "reason"],
            )?,
            open: register(registry, IntGaugeVec::new(open, &["tenant", "upstream"])?)?,
        })
    }

    pub(super) fn tenant_known(&self, tenant: &str) {
        let _ = self.denials.with_label_values(&[tenant]);
    }

    /// Counts an answer that refuses a tenant's credential.
    pub fn denied(&self, tenant: &str) {
        self.denials.with_label_values(&[tenant]).inc();
    }

    /// Counts a rejected call: `in_flight` or `breaker`.
    pub fn rejected(&self, tenant: &str, reason: &'static str) {
        self.rejected.with_label_values(&[tenant, reason]).inc();
    }

    /// Says whether the circuit breaker of an upstream is open.
    pub fn breaker_open(&self, tenant: &str, upstream: &str, is_open: bool) {
        self.open.with_label_values(&[tenant, upstream]).set(i64::from(is_open));
    }
}
