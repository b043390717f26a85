//! Makes the calls of the probes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kyc_http_client::{Cleartext, ClientError, ClientSettings};
use kyc_model::Tenant;
use kyc_onfido_client::{
    AccessTokens, CallLimits, OnfidoClient, OnfidoError, RegisteredWebhook, WebhookList,
};
use kyc_portal::{LoginReuse, PortalClient};
use tokio::time::Instant;

use crate::DoctorConfig;
use crate::code::{Probe, Verdict};
use crate::expected::Expected;
use crate::readings::{clock, onfido, portal, webhook};

/// Makes the calls of the probes: at most two at Onfido, and at most one login at the portal.
pub struct Probes {
    onfido: OnfidoClient,
    portals: Arc<PortalClient>,
    expected: Expected,
    timeout: Duration,
    reuse: LoginReuse,
}

/// Why a tenant is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It is due.
    Schedule,
    /// An operator wants to know.
    Demand,
}

/// What the probes of one tenant found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) verdicts: Vec<(Probe, Verdict)>,
    /// The wait that Onfido asks for.
    pub(crate) retry_after: Option<Duration>,
}

// === impl Probes ===

impl Probes {
    /// Builds the client of Onfido's API with these settings, and with the access tokens of OAuth clients; opens no connection.
    /// Portals are probed through the client that also delivers, so that both share their logins.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the certificate authorities cannot be used.
    pub fn new(
        config: &DoctorConfig,
        (settings, cleartext, tokens): (ClientSettings<'_>, Cleartext, AccessTokens),
        portals: Arc<PortalClient>,
        expected: Expected,
    ) -> Result<Self, ClientError> {
        let limits = CallLimits { time: config.timeout, body: MAX_LIST };
        let reuse = LoginReuse {
            success: (config.interval / 2).min(RECENT_LOGIN),
            refusal: config.refused_login_pause,
        };
        let onfido = OnfidoClient::new(settings, cleartext, limits, tokens)?;
        Ok(Self { onfido, portals, expected, timeout: config.timeout, reuse })
    }

    /// Probes a tenant. Without a route that receives notifications, only the credential and the clock matter.
    pub(crate) async fn probe(&self, tenant: &Tenant, occasion: Occasion) -> Outcome {
        if !self.expected.any() {
            return self.onfido(tenant).await;
        }
        let (mut outcome, portal) = tokio::join!(self.onfido(tenant), self.portal(tenant, occasion));
        outcome.verdicts.push((Probe::Portal, portal));
        outcome
    }

    async fn onfido(&self, tenant: &Tenant) -> Outcome {
        let listed = self.onfido.webhooks(tenant).await;
        let WebhookList { webhooks, date, .. } = match listed {
            Ok(list) => list,
            Err(error) => {
                let retry_after = error.retry_after();
                return Outcome { verdicts: onfido::failed(&error).into(), retry_after };
            }
        };
        let clock = clock::read(date, SystemTime::now());
        let mut outcome = Outcome {
            verdicts: vec![(Probe::Credential, Verdict::Known(Vec::new())), (Probe::Clock, clock)],
            retry_after: None,
        };
        if self.expected.any() {
            let verdict = match self.own_webhook(tenant, &webhooks).await {
                Ok(own) => Verdict::Known(webhook::read(tenant, &self.expected, own.as_ref(), &webhooks)),
                Err(error) => {
                    outcome.retry_after = error.retry_after();
                    Verdict::Unknown(error.to_string())
                }
            };
            outcome.verdicts.push((Probe::Webhook, verdict));
        }
        outcome
    }

    /// Finds the webhook of `webhookId`. It is read alone if the list lacks it, or its token: old versions of the API list
    /// webhooks without tokens.
    async fn own_webhook(
        &self,
        tenant: &Tenant,
        listed: &[RegisteredWebhook],
    ) -> Result<Option<RegisteredWebhook>, OnfidoError> {
        let Some(id) = &tenant.webhook_id else { return Ok(None) };
        let found = listed.iter().find(|webhook| webhook.id.as_ref() == Some(id));
        let needs_token = tenant.signing_token.is_some();
        if let Some(webhook) = found.filter(|webhook| webhook.token.is_some() || !needs_token) {
            return Ok(Some(webhook.clone()));
        }
        match self.onfido.registered_webhook(tenant, id).await {
            Ok(webhook) => Ok(Some(webhook)),
            // An id that is not usable in a path is the id of no webhook.
            Err(error) if error.is_absent() || matches!(error, OnfidoError::Path) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn portal(&self, tenant: &Tenant, occasion: Occasion) -> Verdict {
        let (reuse, deadline) = (self.login_reuse(occasion), Instant::now() + self.timeout);
        portal::read(&self.portals.check_login(tenant, reuse, deadline).await)
    }

    fn login_reuse(&self, occasion: Occasion) -> LoginReuse {
        match occasion {
            Occasion::Schedule => self.reuse,
            Occasion::Demand => LoginReuse {
                success: self.reuse.success.min(DEMANDED_LOGIN),
                refusal: self.reuse.refusal.min(DEMANDED_PASSWORD),
            },
        }
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").field("expected", &self.expected).finish_non_exhaustive()
    }
}

/// The largest list of webhooks; one has a few hundred bytes.
const MAX_LIST: usize = 1024 * 1024;
/// A login that a delivery made less than this ago is not repeated.
const RECENT_LOGIN: Duration = Duration::from_secs(5 * 60);
/// The same on demand.
const DEMANDED_LOGIN: Duration = Duration::from_secs(10);
/// On demand, a refused password is sent again after this time: an operator waits for the result, but a script that asks in a loop
/// must not lock the account.
const DEMANDED_PASSWORD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
