//! `delivery.mode = "direct"`: the gateway answers Onfido after the portal has accepted the event.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kyc_events::{Accepted, Intake, Notification};
use kyc_model::{ConfigErrors, Environment, EventError, Problem, ProblemKind};
use kyc_onfido_client::AccessTokens;
use kyc_portal::PortalClient;
use kyc_telemetry::MetricsRegistry;
use tokio::time::Instant;

use crate::config::DeliveryConfig;
use crate::lookup::{Lookup, Prepared};

/// Delivers each notification while Onfido waits; stores nothing.
pub struct Direct {
    portals: Arc<PortalClient>,
    lookup: Lookup,
}

// === impl Direct ===

impl Direct {
    /// Delivers to these portals.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] when the certificates for look-ups cannot be used.
    pub fn new(
        portals: Arc<PortalClient>,
        config: &DeliveryConfig,
        metrics: &MetricsRegistry,
        tokens: AccessTokens,
    ) -> Result<Self, ConfigErrors> {
        Ok(Self { portals, lookup: Lookup::at_onfido(config, metrics, tokens)? })
    }
}

#[async_trait]
impl Intake for Direct {
    async fn accept(&self, notification: Notification<'_>, deadline: Instant) -> Result<Accepted, Problem> {
        let Notification { tenant, event, correlation, .. } = notification;
        let event = event.ok_or_else(|| {
            Problem::new(ProblemKind::BadRequest, "unusable notification").because(EventError)
        })?;
        let event = match self.lookup.prepare(tenant, event.clone()).await {
            Prepared::Deliver(event) => event,
            Prepared::Withhold(environment) => {
                let environment = environment.map_or("unknown", Environment::name);
                tracing::warn!(request_id = correlation.request_id, tenant = %tenant.name, environment, "notification withheld");
                return Ok(Accepted::Withheld);
            }
            // Nothing is stored. Onfido sends the notification again.
            Prepared::Unknown(error) => {
                let problem = Problem::new(ProblemKind::Unavailable, "environment of a notification unknown");
                return Err(problem.because(error));
            }
        };
        self.portals.deliver(tenant, &event, &correlation.headers(), deadline).await?;
        Ok(Accepted::Delivered)
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct").finish_non_exhaustive()
    }
}
