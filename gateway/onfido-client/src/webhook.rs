//! The resource `/webhooks/{id}`.

use kyc_model::Secret;
use serde::Deserialize;

/// A webhook that is registered at Onfido, as far as the gateway reads it.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Webhook {
    /// The token that Onfido signs notifications with.
    pub token: Option<Secret>,
}
