//! The delivery service: its construction, start and shutdown.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kyc_events::{EventStore, OpenError};
use kyc_model::{ConfigErrors, TenantSnapshots, TenantTable};
use kyc_onfido_client::AccessTokens;
use kyc_portal::PortalClient;
use kyc_telemetry::MetricsRegistry;
use tokio::sync::watch;

use crate::config::DeliveryConfig;
use crate::context::DeliveryContext;
use crate::dispatcher::Dispatcher;
use crate::drain::RELEASE_TIME;
use crate::lookup::Lookup;
use crate::metrics::{DeliveryMetrics, export_limits};
use crate::pending_results::PendingResults;
use crate::status::Status;

/// Delivers the events of a store. There is one for the whole gateway.
pub struct Delivery {
    store: Arc<EventStore>,
    portals: Arc<PortalClient>,
    lookup: Lookup,
    config: DeliveryConfig,
    metrics: DeliveryMetrics,
    status: Status,
    pending_results: PendingResults,
    /// The current tenants, for the admin API.
    tenants: OnceLock<TenantSnapshots>,
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
        portals: Arc<PortalClient>,
        config: DeliveryConfig,
        metrics: &MetricsRegistry,
        tokens: AccessTokens,
    ) -> Result<Self, ConfigErrors> {
        config.check()?;
        let lookup = Lookup::at_onfido(&config, metrics, tokens)?;
        let status = Status::default();
        export_limits(&config, metrics)?;
        let metrics = DeliveryMetrics::new(metrics, &status)?;
        let pending_results = PendingResults::new(metrics.pending_results.clone());
        Ok(Self {
            store,
            portals,
            lookup,
            config,
            metrics,
            status,
            pending_results,
            tenants: OnceLock::new(),
        })
    }

    /// Returns the event store.
    pub fn store(&self) -> &Arc<EventStore> {
        &self.store
    }

    /// Returns the status of deliveries.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Returns whether results of attempts wait for the store; no attempt starts meanwhile.
    pub fn has_pending_results(&self) -> bool {
        self.pending_results.is_any()
    }

    /// Returns the tenants of the current snapshot; `None` until a document is loaded.
    pub fn tenants(&self) -> Option<Arc<TenantTable>> {
        self.tenants.get().and_then(TenantSnapshots::load)
    }

    /// Opens the store. Must be called before the gateway accepts requests.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the store cannot be used; the gateway then does not start.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        self.store.open().await
    }

    /// Returns whether notifications can be accepted: the store commits results, and its file is not damaged.
    pub fn is_ready(&self) -> bool {
        !self.pending_results.is_stuck() && !self.store.is_damaged()
    }

    /// Delivers until `shutdown`, and returns when no attempt is in flight or `drain` is nearly over.
    pub async fn run(&self, tenants: TenantSnapshots, shutdown: watch::Receiver<bool>, drain: Duration) {
        if drain < self.config.attempt.saturating_add(RELEASE_TIME) {
            tracing::warn!(
                drain_s = drain.as_secs(),
                attempt_s = self.config.attempt.as_secs(),
                "server.drain is shorter than delivery.attempt and 5 s: a restart may deliver events twice"
            );
        }
        // After a restart of this service the first value stays; both return the same tenants.
        let _ = self.tenants.set(tenants.clone());
        let Some(running) = self.store.start(&tenants, shutdown.clone()).await else {
            return;
        };
        let context = DeliveryContext {
            config: self.config.clone(),
            retention: self.store.retention(),
            commit_queue: self.store.commit_queue().clone(),
            pending_results: self.pending_results.clone(),
            readers: running.readers(),
            status: self.status.clone(),
            keyring: Arc::clone(running.keyring()),
            portals: Arc::<PortalClient>::clone(&self.portals),
            lookup: self.lookup.clone(),
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
