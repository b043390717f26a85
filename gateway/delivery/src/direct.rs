//! `delivery.mode = "direct"`: the gateway answers Onfido after the portal has accepted the event.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kyc_events::{Accepted, Intake, Notification};
use kyc_model::{EventError, Problem, ProblemKind};
use kyc_portal::PortalClient;
use tokio::time::Instant;

/// Delivers each notification while Onfido waits; stores nothing.
pub struct Direct(Arc<PortalClient>);

// === impl Direct ===

impl Direct {
    /// Delivers to these portals.
    pub fn new(portals: Arc<PortalClient>) -> Self {
        Self(portals)
    }
}

#[async_trait]
impl Intake for Direct {
    async fn accept(&self, notification: Notification<'_>, deadline: Instant) -> Result<Accepted, Problem> {
        let Notification { tenant, event, correlation, .. } = notification;
        let event = event.ok_or_else(|| {
            Problem::new(ProblemKind::BadRequest, "unusable notification").because(EventError)
        })?;
        self.0.deliver(tenant, event, &correlation.headers(), deadline).await?;
        Ok(Accepted::Delivered)
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct").finish_non_exhaustive()
    }
}
