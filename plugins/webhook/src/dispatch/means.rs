//! What a dispatcher works with.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use kyc_model::{Event, Tenant, TenantTable};
use kyc_portal::{Answer, DeliveryError, Portals};
use tokio::time::Instant;

use super::{Status, Unrecorded};
use crate::DispatchConfig;
use crate::metrics::DispatchMetrics;
use crate::store::{Inbox, Keyring, Reader};

/// The tenants as they are at the moment.
pub(crate) type Tenants = Arc<dyn Fn() -> Option<Arc<TenantTable>> + Send + Sync>;

/// What a dispatcher works with.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) config: DispatchConfig,
    /// How long delivered events are kept.
    pub(crate) keep_delivered: Duration,
    /// How long dead events are kept.
    pub(crate) keep_dead: Duration,
    /// How long notifications are known.
    pub(crate) keep_keys: Duration,
    pub(crate) inbox: Inbox,
    pub(crate) unrecorded: Unrecorded,
    /// Where the dispatcher says how it stands.
    pub(crate) status: Status,
    /// Makes readers, for what goes on beside the dispatcher.
    pub(crate) readers: Arc<dyn Fn() -> Box<dyn Reader> + Send + Sync>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) portals: Arc<dyn Client>,
    pub(crate) tenants: Tenants,
    pub(crate) metrics: DispatchMetrics,
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
