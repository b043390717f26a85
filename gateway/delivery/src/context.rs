//! What a dispatcher depends on.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use kyc_events::{CommitQueue, Keyring, Readers, Retention};
use kyc_model::{Event, Tenant, TenantSnapshots};
use kyc_portal::{DeliveryError, PortalClient, PortalResponse};
use tokio::time::Instant;

use crate::config::DeliveryConfig;
use crate::lookup::Lookup;
use crate::metrics::DeliveryMetrics;
use crate::pending_results::PendingResults;
use crate::status::Status;

/// What a dispatcher depends on.
#[derive(Clone)]
pub(crate) struct DeliveryContext {
    pub(crate) config: DeliveryConfig,
    /// How long finished events are kept.
    pub(crate) retention: Retention,
    pub(crate) commit_queue: CommitQueue,
    pub(crate) pending_results: PendingResults,
    /// Where the dispatcher publishes its status.
    pub(crate) status: Status,
    /// Makes readers for tasks other than the dispatcher.
    pub(crate) readers: Readers,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) portals: Arc<dyn Client>,
    pub(crate) lookup: Lookup,
    pub(crate) tenants: TenantSnapshots,
    pub(crate) metrics: DeliveryMetrics,
}

/// A client that delivers events to portals.
#[async_trait]
pub(crate) trait Client: Send + Sync {
    /// Delivers one event with `headers` to the tenant's portal. Fills in `answer` also when the delivery fails.
    async fn deliver(
        &self,
        tenant: &Tenant,
        event: &Event,
        headers: &HeaderMap,
        deadline: Instant,
        answer: &mut Option<PortalResponse>,
    ) -> Result<(), DeliveryError>;

    /// Logs in with a new session, which the next delivery uses.
    async fn log_in(&self, tenant: &Tenant, deadline: Instant) -> Result<(), DeliveryError>;
}

#[async_trait]
impl Client for PortalClient {
    async fn deliver(
        &self,
        tenant: &Tenant,
        event: &Event,
        headers: &HeaderMap,
        deadline: Instant,
        answer: &mut Option<PortalResponse>,
    ) -> Result<(), DeliveryError> {
        self.deliver_recording_response(tenant, event, headers, deadline, answer).await
    }

    async fn log_in(&self, tenant: &Tenant, deadline: Instant) -> Result<(), DeliveryError> {
        PortalClient::log_in(self, tenant, deadline).await
    }
}
