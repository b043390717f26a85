//! The service that accepts verified notifications; the plugin `webhook` uses it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use kyc_model::{Correlation, Event, Problem, Tenant};
use tokio::time::Instant;

/// A verified notification. `Debug` shows only the tenant, because the body holds personal data.
#[derive(Clone, Copy)]
pub struct Notification<'a> {
    /// The tenant that it was received for.
    pub tenant: &'a Tenant,
    /// The body, byte for byte.
    pub body: &'a Bytes,
    /// The parsed event; `None` for a body that is not an event. The signature proves that Onfido has sent even that one.
    pub event: Option<&'a Event>,
    /// The id and the trace of the request that carried it.
    pub correlation: &'a Correlation,
}

impl fmt::Debug for Notification<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("tenant", &self.tenant.name).finish_non_exhaustive()
    }
}

/// The result of accepting a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The event is durable.
    Stored,
    /// The event was stored before and dead; it is waiting again.
    Revived,
    /// The event was stored before.
    Duplicate,
    /// The portal has accepted the event (`delivery.mode = "direct"`).
    Delivered,
    /// The tenant's portal does not take results of the environment of the resource (`delivery.mode = "direct"`).
    Withheld,
}

/// Accepts notifications. There is one instance for the whole gateway.
#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Accepts a notification before `deadline`, which is earlier than Onfido's timeout of 10 s.
    ///
    /// # Errors
    ///
    /// The [`Problem`] of the response to Onfido, which then sends the notification again.
    async fn accept(&self, notification: Notification<'_>, deadline: Instant) -> Result<Accepted, Problem>;
}
