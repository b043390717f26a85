//! Where resources are looked up, and why one is not found.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kyc_http_client::{Cleartext, ClientSettings, Trust};
use kyc_model::{ConfigError, ConfigErrors, Tenant};
use kyc_onfido_client::{AccessTokens, CallLimits, OnfidoClient, OnfidoError};

use crate::config::LookupConfig;

/// The resources of tenants' Onfido accounts.
#[async_trait]
pub(crate) trait Resources: Send + Sync {
    /// Reads a resource under the tenant's credential.
    async fn get(&self, tenant: &Tenant, path: &[&str]) -> Result<Bytes, LookupError>;
}

/// Why a resource or its environment is unknown.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// Onfido gave no resource.
    #[error(transparent)]
    Onfido(#[from] OnfidoError),
    /// The calls took longer than `delivery.lookup.timeout`.
    #[error("Onfido did not answer in time")]
    Timeout,
    /// The resource does not have the expected fields.
    #[error("the resource is not as Onfido documents it")]
    Malformed,
    /// Onfido documents no way from such a notification to an environment.
    #[error("the environment of such a notification cannot be looked up")]
    Unsupported,
}

// === impl LookupError ===

impl LookupError {
    /// Returns whether another look-up would have the same result.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Onfido(error) => error.is_absent() || matches!(error, OnfidoError::Path),
            Self::Unsupported => true,
            Self::Timeout | Self::Malformed => false,
        }
    }

    /// Returns how long Onfido asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Onfido(error) => error.retry_after(),
            Self::Timeout | Self::Malformed | Self::Unsupported => None,
        }
    }

    /// Returns the name in metrics and in the delivered event.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Onfido(error) => error.name(),
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
        }
    }
}

#[async_trait]
impl Resources for OnfidoClient {
    async fn get(&self, tenant: &Tenant, path: &[&str]) -> Result<Bytes, LookupError> {
        Ok(Self::get(self, tenant, path).await?)
    }
}

/// Builds the client of Onfido's API, which takes the access tokens of OAuth clients from `tokens`.
///
/// # Errors
///
/// `lookup.ca_file` when the certificates cannot be used.
pub(crate) fn client(config: &LookupConfig, tokens: AccessTokens) -> Result<OnfidoClient, ConfigErrors> {
    let trust = Trust::system_and(config.ca_file.as_deref());
    OnfidoClient::new(
        ClientSettings::new(config.connect, trust),
        Cleartext::from_setting(config.allow_http),
        CallLimits { time: config.timeout, body: MAX_RESOURCE },
        tokens,
    )
    .map_err(|error| ConfigError::at("lookup.ca_file", error.to_string()).into())
}

/// The largest resource, in bytes. Reports and workflow runs have a few KiB; one with many tasks has more.
const MAX_RESOURCE: usize = 512 * 1024;
