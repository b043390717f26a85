//! The tokens that Onfido signs a tenant's notifications with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use kyc_http_client::{Cleartext, ClientSettings, TransportError, Trust, read_at_most};
use kyc_model::{Secret, Tenant};
use kyc_plugin_api::{ConfigError, ConfigErrors, CounterFamily, MetricsRegistry, Problem, ProblemKind};
use kyc_resilience::{Abandoned, SingleFlight};
use kyc_telemetry::names;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::{error, warn};
use url::Url;

use crate::OnfidoConfig;
use crate::signature::Signature;

/// Finds a tenant's signing token: in its entry, else at Onfido, once; and again when a signature does not fit.
#[derive(Debug)]
pub(crate) struct SigningTokens {
    onfido: Client,
    cleartext: Cleartext,
    fetched: SingleFlight<Secret, SigningTokenError>,
    renewed: SingleFlight<Renewal, SigningTokenError>,
    fetches: CounterFamily<2>,
}

/// Why there is no token to verify with.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SigningTokenError {
    /// Nothing says which webhook's token it would be.
    #[error("the tenant has neither webhookToken nor webhookId")]
    NoWebhook,
    /// Onfido gave no answer.
    #[error("Onfido could not be asked for the signing token")]
    Transport(#[from] TransportError),
    /// Onfido refused; 401 and 403 mean that the tenant's `apiToken` is wrong.
    #[error("Onfido answered {0} when asked for the signing token")]
    Status(u16),
    /// Onfido's answer holds none.
    #[error("Onfido's answer holds no signing token")]
    Unusable,
    /// Asking ended without a result, neither a good one nor a bad one.
    #[error("asking for the signing token was given up")]
    Abandoned,
}

/// What Onfido said when a signature did not fit; forged ones must not make the gateway ask all the time.
#[derive(Debug)]
struct Renewal {
    at: Instant,
    token: Option<Arc<Secret>>,
}

#[derive(Deserialize)]
struct WebhookResource {
    token: String,
}

// === impl SigningTokens ===

impl SigningTokens {
    /// Prepares the connection to Onfido.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings.
    pub(crate) fn new(
        config: &OnfidoConfig,
        folder: &Path,
        metrics: &MetricsRegistry,
    ) -> Result<Self, ConfigErrors> {
        let ca_file = config.ca_file.as_ref().map(|file| folder.join(file));
        let trust = Trust::system_and(ca_file.as_deref());
        let settings =
            ClientSettings { whole: Some(FETCH_TIMEOUT), ..ClientSettings::new(config.connect, trust) };
        Ok(Self {
            onfido: settings.build().map_err(|error| ConfigError::at("onfido.ca_file", error.to_string()))?,
            cleartext: Cleartext::from_setting(config.allow_http),
            fetched: SingleFlight::new(),
            renewed: SingleFlight::new(),
            fetches: metrics.counter(
                names::SIGNING_TOKEN_FETCHES,
                "Signing tokens asked of Onfido.",
                &["tenant", "result"],
            )?,
        })
    }

    /// The token of this tenant.
    ///
    /// # Errors
    ///
    /// [`SigningTokenError`]; a failed fetch stands for a second.
    async fn token(&self, tenant: &Tenant) -> Result<Arc<Secret>, SigningTokenError> {
        if let Some(token) = &tenant.signing_token {
            return Ok(Arc::new(token.clone()));
        }
        let Some(webhook_id) = &tenant.webhook_id else {
            error!(tenant = %tenant.name, "tenant has neither webhookToken nor webhookId");
            return Err(SigningTokenError::NoWebhook);
        };
        // Nothing is known of the caller yet: that he leaves must not end what others wait for.
        self.fetched.value_apart(tenant, |_| true, || self.fetch(tenant, webhook_id)).await
    }

    /// Verifies a signature under the tenant's token, or under the one that has replaced it at Onfido.
    ///
    /// # Errors
    ///
    /// What the caller is told: the signature is wrong, or there is nothing to verify it with.
    pub(crate) async fn verify(
        &self,
        tenant: &Tenant,
        signature: Signature,
        body: &[u8],
    ) -> Result<(), Problem> {
        let token = self.token(tenant).await?;
        let Err(wrong) = signature.verify(&token, body) else { return Ok(()) };
        let Some(newer) = self.renewed(tenant, &token).await else { return Err(wrong.into()) };
        signature.verify(&newer, body)?;
        self.fetched.forget(tenant, &token).await;
        Ok(())
    }

    /// The token that Onfido has now, when it is another one than `known`, under which a signature did not fit. Onfido
    /// is asked once a minute and tenant at most.
    async fn renewed(&self, tenant: &Tenant, known: &Secret) -> Option<Arc<Secret>> {
        let webhook_id = tenant.webhook_id.as_ref()?;
        let ask = || {
            let fetch = self.fetch(tenant, webhook_id);
            async move {
                let token = fetch.await.ok().map(Arc::new);
                Ok(Renewal { at: Instant::now(), token })
            }
        };
        let renewal =
            self.renewed.value_apart(tenant, |renewal| renewal.at.elapsed() < ASK_AGAIN, ask).await.ok()?;
        renewal.token.clone().filter(|token| !token.matches(known.reveal().as_bytes()))
    }

    /// Asks Onfido, for [`FETCH_TIMEOUT`] at most. What is given borrows nothing, so that it can outlive the request.
    fn fetch(
        &self,
        tenant: &Tenant,
        webhook_id: &str,
    ) -> impl Future<Output = Result<Secret, SigningTokenError>> + Send + use<> {
        let request = self
            .onfido
            .get(address(tenant, webhook_id))
            .header(AUTHORIZATION, tenant.authorization.clone())
            .header(ACCEPT, "application/json");
        let exposed = self.cleartext.check(tenant.base.url());
        let (tenant, fetches) = (tenant.name.clone(), self.fetches.clone());
        async move {
            let fetched = match exposed {
                Ok(()) => ask(request).await,
                Err(exposed) => Err(SigningTokenError::Transport(exposed.into())),
            };
            let result = match &fetched {
                Ok(_) => "ok",
                Err(SigningTokenError::Status(401 | 403)) => "denied",
                Err(_) => "failed",
            };
            fetches.with(&[tenant.as_str(), result]).inc();
            if let Err(error) = &fetched {
                warn!(%tenant, error = error as &dyn std::error::Error, "signing token not fetched");
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
        let detail = "there is no signing token to verify with";
        match error {
            SigningTokenError::NoWebhook => Self::new(ProblemKind::Unauthenticated, detail),
            SigningTokenError::Transport(_)
            | SigningTokenError::Status(_)
            | SigningTokenError::Unusable
            | SigningTokenError::Abandoned => {
                Self::new(ProblemKind::Unavailable, detail).with_retry_after(RETRY_AFTER)
            }
        }
        .because(error)
    }
}

async fn ask(request: RequestBuilder) -> Result<Secret, SigningTokenError> {
    let response = request.send().await.map_err(TransportError::from)?;
    if !response.status().is_success() {
        return Err(SigningTokenError::Status(response.status().as_u16()));
    }
    let body = read_at_most(response, ANSWER_LIMIT).await.map_err(TransportError::from)?;
    match serde_json::from_slice::<WebhookResource>(&body) {
        Ok(resource) if !resource.token.is_empty() => Ok(Secret::new(resource.token)),
        Ok(_) | Err(_) => Err(SigningTokenError::Unusable),
    }
}

fn address(tenant: &Tenant, webhook_id: &str) -> Url {
    let mut url = tenant.base.url().clone();
    // Only `data:` and the like have no path segments, and a base is http or https.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["webhooks", webhook_id]);
    }
    url
}

/// How long Onfido's answer to a signature that did not fit stands.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Less than the whole deadline, so that the failure is known to the ones that wait, as 503. It also ends the fetch
/// that nobody waits for any more.
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);
/// When a notification that cannot be verified yet may come again.
const RETRY_AFTER: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests;
