//! What is counted of upstreams.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::register;
use crate::names;

/// The metrics of upstreams, by tenant.
#[derive(Clone, Debug)]
pub struct Upstreams {
    denials: IntCounterVec,
    held_back: IntCounterVec,
    open: IntGaugeVec,
}

// === impl Upstreams ===

impl Upstreams {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let open = Opts::new(names::UPSTREAM_OPEN, "1 while a failing upstream is left alone.");
        Ok(Self {
            denials: counters(
                names::UPSTREAM_DENIALS,
                "Answers 401 and 403 of the upstream to a tenant's credential.",
                &["tenant"],
            )?,
            held_back: counters(
                names::UPSTREAM_HELD_BACK,
                "Calls that were not sent on, to spare an upstream.",
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

    /// Counts a call that was not sent on: `in_flight` or `breaker`.
    pub fn held_back(&self, tenant: &str, reason: &'static str) {
        self.held_back.with_label_values(&[tenant, reason]).inc();
    }

    /// Says whether an upstream is left alone.
    pub fn left_alone(&self, tenant: &str, upstream: &str, is_open: bool) {
        self.open.with_label_values(&[tenant, upstream]).set(i64::from(is_open));
    }
}
