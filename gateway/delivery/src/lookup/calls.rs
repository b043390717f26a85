//! The calls to Onfido for one delivery, which share a time limit.

use bytes::Bytes;
use kyc_model::Tenant;
use kyc_telemetry::CounterFamily;
use tokio::time::{Instant, timeout_at};

use super::onfido::{LookupError, Resources};

/// The calls for one delivery.
pub(super) struct Calls<'a> {
    pub(super) resources: &'a dyn Resources,
    pub(super) counted: &'a CounterFamily<2>,
    pub(super) tenant: &'a Tenant,
    /// When the last call must have ended.
    pub(super) end: Instant,
}

// === impl Calls ===

impl Calls<'_> {
    /// Reads a resource, and counts the call.
    pub(super) async fn get(&self, path: &[&str]) -> Result<Bytes, LookupError> {
        let called = timeout_at(self.end, self.resources.get(self.tenant, path)).await;
        let found = called.unwrap_or(Err(LookupError::Timeout));
        let result = found.as_ref().map_or_else(LookupError::name, |_| "found");
        self.counted.with(&[self.tenant.name.as_str(), result]).inc();
        found
    }
}
