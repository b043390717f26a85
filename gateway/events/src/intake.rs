//! What becomes of notifications: the service that the plugin `webhook` takes, and others may.

use async_trait::async_trait;
use bytes::Bytes;
use kyc_model::{Correlation, Event, Problem, Tenant};
use tokio::time::Instant;

/// A verified notification.
#[derive(Clone, Copy, Debug)]
pub struct Notification<'a> {
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// The body, byte for byte.
    pub body: &'a Bytes,
    /// What it says; `None` for a body that holds no event. The signature proves that Onfido has sent it.
    pub event: Option<&'a Event>,
    /// The request that brought it.
    pub correlation: &'a Correlation,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is durable.
    Stored,
    /// The same one was dead, and is tried again.
    Revived,
    /// The same one was durable already.
    Duplicate,
    /// The portal has taken it.
    Delivered,
}

/// Takes notifications. There is one for the whole gateway.
#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Takes a notification before `deadline`, when Onfido's patience ends.
    ///
    /// # Errors
    ///
    /// The [`Problem`] that Onfido is answered with, so that it sends the notification again.
    async fn take(&self, notification: Notification<'_>, deadline: Instant) -> Result<Accepted, Problem>;
}
