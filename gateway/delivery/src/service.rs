//! Delivery as a service of the gateway: what it is made of, and how it begins and ends.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kyc_events::{EventStore, OpenError};
use kyc_model::{ConfigErrors, CurrentTenants, TenantTable};
use kyc_portal::Portals;
use kyc_telemetry::MetricsRegistry;
use tokio::sync::watch;

use crate::config::DeliveryConfig;
use crate::context::DeliveryContext;
use crate::dispatcher::Dispatcher;
use crate::drain::RELEASE_TIME;
use crate::metrics::DeliveryMetrics;
use crate::status::Status;
use crate::unrecorded::Unrecorded;

/// Delivers the events of a store. There is one for the whole gateway.
pub struct Delivery {
    store: Arc<EventStore>,
    portals: Arc<Portals>,
    config: DeliveryConfig,
    metrics: DeliveryMetrics,
    status: Status,
    unrecorded: Unrecorded,
    /// For operators, who name one.
    tenants: OnceLock<CurrentTenants>,
}

// === impl Delivery ===

impl Delivery {
    /// Makes the service; nothing is opened before [`Delivery::prepare`].
    ///
    /// # Errors
    ///
    /// All problems with the settings, by key.
    pub fn new(
        store: Arc<EventStore>,
        portals: Arc<Portals>,
        config: DeliveryConfig,
        metrics: &MetricsRegistry,
    ) -> Result<Self, ConfigErrors> {
        config.check()?;
        let status = Status::default();
        let metrics = DeliveryMetrics::new(metrics, &status)?;
        let unrecorded = Unrecorded::new(metrics.unrecorded.clone());
        Ok(Self { store, portals, config, metrics, status, unrecorded, tenants: OnceLock::new() })
    }

    /// The store that is delivered from.
    pub fn store(&self) -> &Arc<EventStore> {
        &self.store
    }

    /// How deliveries stand.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Whether results of deliveries wait for the store; nothing is delivered meanwhile.
    pub fn has_unrecorded(&self) -> bool {
        self.unrecorded.is_any()
    }

    /// The tenants of the current snapshot; none while no document was loaded.
    pub fn tenants(&self) -> Option<Arc<TenantTable>> {
        self.tenants.get().and_then(|tenants| tenants())
    }

    /// Opens the store, before anything is served.
    ///
    /// # Errors
    ///
    /// Why the gateway must not start.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        self.store.open().await
    }

    /// Whether notifications can be taken: results of deliveries are recorded, and the file is whole.
    pub fn is_ready(&self) -> bool {
        !self.unrecorded.is_stuck() && !self.store.is_damaged()
    }

    /// Delivers until `shutdown`, and returns when nothing is under way any more, or when `drain` is nearly over.
    pub async fn run(&self, tenants: CurrentTenants, shutdown: watch::Receiver<bool>, drain: Duration) {
        if drain < self.config.attempt + RELEASE_TIME {
            tracing::warn!(
                drain_s = drain.as_secs(),
                attempt_s = self.config.attempt.as_secs(),
                "server.drain is shorter than delivery.attempt and 5 s: a restart may deliver events twice"
            );
        }
        // Run twice, the first way to the tenants stays: both lead to the same ones.
        let _ = self.tenants.set(Arc::clone(&tenants));
        let Some(running) = self.store.start(&tenants, shutdown.clone()).await else { return };
        let context = DeliveryContext {
            config: self.config.clone(),
            retention: self.store.retention(),
            inbox: self.store.inbox().clone(),
            unrecorded: self.unrecorded.clone(),
            readers: running.readers(),
            status: self.status.clone(),
            keyring: Arc::clone(running.keyring()),
            portals: Arc::<Portals>::clone(&self.portals),
            tenants,
            metrics: self.metrics.clone(),
        };
        Dispatcher::new(context, running.reader()).run(shutdown, drain).await;
        running.close().await;
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").finish_non_exhaustive()
    }
}
