//! Finds the tokens that Onfido signs a tenant's notifications with.
//!
//! The tenant document may hold the token (`webhookToken`). If not, the gateway fetches it from Onfido's API and caches it.
//! When a signature does not match, the token may have been replaced at Onfido, so the gateway fetches it again. It does
//! that at most once per minute and tenant: anyone can send a wrong signature, and must not cause a call to Onfido each time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kyc_http_client::{Cleartext, ClientSettings, Trust};
use kyc_model::{Secret, Tenant};
use kyc_onfido_client::{AccessTokens, CallLimits, OnfidoClient, OnfidoError};
use kyc_plugin_api::{ConfigError, ConfigErrors, CounterFamily, MetricsRegistry, Problem, ProblemKind};
use kyc_resilience::{Abandoned, SingleFlight};
use kyc_telemetry::names;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::OnfidoConfig;
use crate::signature::Signature;

/// Verifies signatures with a tenant's signing token, and caches the tokens fetched from Onfido.
#[derive(Debug)]
pub(crate) struct SigningTokens {
    onfido: OnfidoClient,
    /// The token of each tenant without `webhookToken`.
    fetched: SingleFlight<Secret, SigningTokenError>,
    /// The last fetch after a wrong signature, for each tenant.
    renewed: SingleFlight<Renewal, SigningTokenError>,
    fetches: CounterFamily<2>,
}

/// Why no signing token is available.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SigningTokenError {
    /// The tenant's entry names neither a token nor a webhook whose token could be fetched.
    #[error("the tenant has neither webhookToken nor webhookId")]
    NoWebhook,
    /// Onfido gave no webhook; a refused credential means that the tenant's `apiToken` or OAuth client is wrong.
    #[error("cannot fetch the signing token from Onfido")]
    Onfido(#[from] OnfidoError),
    /// Onfido's response contains no token.
    #[error("Onfido's response contains no signing token")]
    Unusable,
    /// The task that fetched the token ended without a result.
    #[error("the fetch of the signing token was aborted")]
    Abandoned,
}

/// The result of a fetch after a signature did not match. It is kept also when the fetch failed, so that forged signatures
/// cannot cause a fetch each.
#[derive(Debug)]
struct Renewal {
    at: Instant,
    /// `None` when the fetch failed.
    token: Option<Arc<Secret>>,
}

// === impl SigningTokens ===

impl SigningTokens {
    /// Builds the client of Onfido's API. Relative paths start at `folder`. `tokens` has the access
    /// tokens of tenants with an OAuth client.
    ///
    /// # Errors
    ///
    /// `onfido.ca_file` when the certificates cannot be used.
    pub(crate) fn new(
        config: &OnfidoConfig,
        folder: &Path,
        metrics: &MetricsRegistry,
        tokens: AccessTokens,
    ) -> Result<Self, ConfigErrors> {
        let ca_file = config.ca_file.as_ref().map(|file| folder.join(file));
        let trust = Trust::system_and(ca_file.as_deref());
        let onfido = OnfidoClient::new(
            ClientSettings::new(config.connect, trust),
            Cleartext::from_setting(config.allow_http),
            CallLimits { time: FETCH_TIMEOUT, body: ANSWER_LIMIT },
            tokens,
        );
        Ok(Self {
            onfido: onfido.map_err(|error| ConfigError::at("onfido.ca_file", error.to_string()))?,
            fetched: SingleFlight::new(),
            renewed: SingleFlight::new(),
            fetches: metrics.counter(
                names::SIGNING_TOKEN_FETCHES,
                "Fetches of signing tokens from Onfido.",
                &["tenant", "result"],
            )?,
        })
    }

    /// Returns the tenant's token, from the tenant document or from Onfido.
    ///
    /// # Errors
    ///
    /// [`SigningTokenError`]; the error of a failed fetch is cached for one second.
    async fn token(&self, tenant: &Tenant) -> Result<Arc<Secret>, SigningTokenError> {
        if let Some(token) = &tenant.signing_token {
            return Ok(Arc::new(token.clone()));
        }
        let Some(webhook_id) = &tenant.webhook_id else {
            error!(tenant = %tenant.name, "tenant has neither webhookToken nor webhookId");
            return Err(SigningTokenError::NoWebhook);
        };
        // The fetch runs in a task of its own: when this caller disconnects, other notifications still wait for the result.
        self.fetched.value_apart(tenant, |_| true, || self.fetch(tenant, webhook_id)).await
    }

    /// Verifies a signature with the tenant's token, or with the token that has replaced it at Onfido.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unauthenticated`] when the signature is wrong, or the tenant has neither a token nor a webhook;
    /// [`ProblemKind::Unavailable`] when the token cannot be fetched.
    pub(crate) async fn verify(
        &self,
        tenant: &Tenant,
        signature: Signature,
        body: &[u8],
    ) -> Result<(), Problem> {
        let token = self.token(tenant).await?;
        let Err(wrong) = signature.verify(&token, body) else { return Ok(()) };
        let Some(newer) = self.replacement(tenant, &token).await else { return Err(wrong.into()) };
        signature.verify(&newer, body)?;
        // Only a signature that matches proves that the old token is out of use.
        self.fetched.forget(tenant, &token).await;
        Ok(())
    }

    /// Returns the token that Onfido has now, if it differs from `known`, with which a signature did not match. Fetches it
    /// at most once per [`RENEWAL_INTERVAL`] and tenant.
    async fn replacement(&self, tenant: &Tenant, known: &Secret) -> Option<Arc<Secret>> {
        let webhook_id = tenant.webhook_id.as_ref()?;
        let renew = || {
            let fetch = self.fetch(tenant, webhook_id);
            async move {
                let token = fetch.await.ok().map(Arc::new);
                Ok(Renewal { at: Instant::now(), token })
            }
        };
        let renewal = self
            .renewed
            .value_apart(tenant, |renewal| renewal.at.elapsed() < RENEWAL_INTERVAL, renew)
            .await
            .ok()?;
        renewal.token.clone().filter(|token| !token.matches(known.reveal().as_bytes()))
    }

    /// Fetches the token from Onfido, within [`FETCH_TIMEOUT`]. The future borrows nothing, so that it can outlive the
    /// request.
    fn fetch(
        &self,
        tenant: &Tenant,
        webhook_id: &str,
    ) -> impl Future<Output = Result<Secret, SigningTokenError>> + Send + use<> {
        let (onfido, fetches) = (self.onfido.clone(), self.fetches.clone());
        let (tenant, webhook_id) = (tenant.clone(), webhook_id.to_owned());
        async move {
            let fetched = request_token(&onfido, &tenant, &webhook_id).await;
            let tenant = &tenant.name;
            let result = match &fetched {
                Ok(_) => "ok",
                Err(SigningTokenError::Onfido(error)) if error.is_credential_refused() => "denied",
                Err(_) => "failed",
            };
            fetches.with(&[tenant.as_str(), result]).inc();
            if let Err(error) = &fetched {
                warn!(%tenant, error = error as &dyn std::error::Error, "cannot fetch the signing token");
            }
            fetched
        }
    }
}

// === impl SigningTokenError ===

impl From<Abandoned> for SigningTokenError {
    fn from(_: Abandoned) -> Self {
        Self::Abandoned
    }
}

impl From<SigningTokenError> for Problem {
    fn from(error: SigningTokenError) -> Self {
        let detail = "no signing token to verify the notification with";
        match error {
            // A retry cannot succeed, so this is a 401 as for a wrong signature. The log names the missing fields.
            SigningTokenError::NoWebhook => Self::new(ProblemKind::Unauthenticated, detail),
            SigningTokenError::Onfido(_) | SigningTokenError::Unusable | SigningTokenError::Abandoned => {
                Self::new(ProblemKind::Unavailable, detail).with_retry_after(RETRY_AFTER)
            }
        }
        .because(error)
    }
}

/// Reads the webhook resource, whose `token` signs the notifications.
async fn request_token(
    onfido: &OnfidoClient,
    tenant: &Tenant,
    webhook_id: &str,
) -> Result<Secret, SigningTokenError> {
    let webhook = onfido.webhook(tenant, webhook_id).await?;
    // With an empty key, anyone could compute the signature.
    webhook.token.filter(|token| !token.is_empty()).ok_or(SigningTokenError::Unusable)
}

/// How long the result of a fetch after a wrong signature is reused.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(60);
/// Less than the default deadline of a notification, so that the waiting notifications still get a 503 in time. It also
/// ends a fetch whose callers have all disconnected.
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);
/// `Retry-After` of a notification that could not be verified.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// A webhook resource has a few hundred bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests;
