//! Counts the notifications that nobody gets, and names each kind once in the log.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use kyc_model::TenantName;
use kyc_plugin_api::{ConfigErrors, CounterFamily, MetricsRegistry};
use kyc_telemetry::names;
use tracing::warn;

/// The dropped notifications of one route.
pub(crate) struct DroppedEvents {
    counted: CounterFamily<2>,
    /// What the log has named. Both parts are from limited sets: the tenants of the document, and the known kinds.
    named: Mutex<HashSet<(TenantName, &'static str)>>,
}

// === impl DroppedEvents ===

impl DroppedEvents {
    pub(crate) fn new(metrics: &MetricsRegistry) -> Result<Self, ConfigErrors> {
        let counted = metrics.counter(
            names::WEBHOOK_EVENTS_DROPPED,
            "Notifications of kinds that no setting maps to an endpoint, by tenant and kind.",
            &["tenant", "kind"],
        )?;
        Ok(Self { counted, named: Mutex::default() })
    }

    /// Counts a dropped notification. `kind` is a label: a known kind or `other`.
    pub(crate) fn count(&self, tenant: &TenantName, kind: &'static str) {
        self.counted.with(&[tenant.as_str(), kind]).inc();
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.insert((tenant.clone(), kind)) {
            warn!(%tenant, kind, "notifications of this kind are dropped; map the kind in events of the tenant");
        }
    }
}
