//! The service that accepts verified notifications; the plugin `webhook` uses it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use kyc_model::{Correlation, Event, Problem, Tenant};
use tokio::time::Instant;

/// A verified notification. `Debug` shows nothing of its body, which is about a person.
#[derive(Clone, Copy)]
pub struct Notification<'a> {
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// The body, byte for byte.
    pub body: &'a Bytes,
    /// The parsed event; `None` for a body that is no event. The signature proves that Onfido has sent it.
    pub event: Option<&'a Event>,
    /// The request that brought it.
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
    /// The event was known and dead; it is waiting again.
    Revived,
    /// The event was known already.
    Duplicate,
    /// The portal has accepted it.
    Delivered,
}

/// Accepts notifications. There is one instance for the whole gateway.
#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Accepts a notification before `deadline`, when Onfido times out.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that Onfido is answered with, so that it sends the notification again.
    async fn take(&self, notification: Notification<'_>, deadline: Instant) -> Result<Accepted, Problem>;
}
