//! What a dispatcher works with.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use kyc_events::{Inbox, Keyring, Readers, Retention};
use kyc_model::{CurrentTenants, Event, Tenant};
use kyc_portal::{Answer, DeliveryError, Portals};
use tokio::time::Instant;

use crate::config::DeliveryConfig;
use crate::metrics::DeliveryMetrics;
use crate::status::Status;
use crate::unrecorded::Unrecorded;

/// What a dispatcher works with.
#[derive(Clone)]
pub(crate) struct DeliveryContext {
    pub(crate) config: DeliveryConfig,
    /// How long what is done is kept.
    pub(crate) retention: Retention,
    pub(crate) inbox: Inbox,
    pub(crate) unrecorded: Unrecorded,
    /// Where the dispatcher says how it stands.
    pub(crate) status: Status,
    /// Makes readers, for what goes on beside the dispatcher.
    pub(crate) readers: Readers,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) portals: Arc<dyn Client>,
    pub(crate) tenants: CurrentTenants,
    pub(crate) metrics: DeliveryMetrics,
}

/// Whatever brings events to portals.
#[async_trait]
pub(crate) trait Client: Send + Sync {
    /// Brings one event to the tenant's portal; `headers` go along. Notes what the portal said, also when it fails.
    async fn deliver(
        &self,
        tenant: &Tenant,
        event: &Event,
        headers: &HeaderMap,
        deadline: Instant,
        answer: &mut Option<Answer>,
    ) -> Result<(), DeliveryError>;

    /// Logs the tenant in anew, and keeps the session for the next delivery.
    async fn log_in(&self, tenant: &Tenant, deadline: Instant) -> Result<(), DeliveryError>;
}

#[async_trait]
impl Client for Portals {
    async fn deliver(
        &self,
        tenant: &Tenant,
        event: &Event,
        headers: &HeaderMap,
        deadline: Instant,
        answer: &mut Option<Answer>,
    ) -> Result<(), DeliveryError> {
        self.deliver_and_note(tenant, event, headers, deadline, answer).await
    }

    async fn log_in(&self, tenant: &Tenant, deadline: Instant) -> Result<(), DeliveryError> {
        Portals::log_in(self, tenant, deadline).await
    }
}
