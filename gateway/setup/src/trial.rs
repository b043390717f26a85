//! Tests a tenant: probes both sides, and sends a test event that the portal can tell from a real one.

use std::time::Duration;

use http::HeaderMap;
use kyc_doctor::{Examined, Probe};
use kyc_model::Tenant;
use tokio::time::Instant;
use url::Url;

use crate::signed::post_signed;
use crate::test_event::test_event;
use crate::{Setup, SetupError};

/// How a test event reaches the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Signed with the webhook's token and posted to the webhook's URL, as Onfido does it: through the gateway.
    Signed,
    /// By a login and a delivery of this process.
    Direct,
}

/// The results of a test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tried {
    /// What the probes found.
    pub examined: Vec<Examined>,
    /// The id of the event's object, by which the portal's side can be searched.
    pub event: String,
}

// === impl Setup ===

impl Setup {
    /// Probes a tenant of the document and sends its portal a test event. Findings of the probes are no error.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when there is no such tenant, or the event was not taken.
    pub async fn try_tenant(&mut self, name: &str, way: Way) -> Result<Tried, SetupError> {
        self.progress.begin(1, "read the entry");
        let document = self.document().await?;
        let tenant = self.tenant(&document, name)?;
        self.progress.begin(2, "probe the account at Onfido and the portal");
        let examined = self.doctor.examine(&tenant).await;
        for one in &examined {
            if let Some(problem) = one.problem() {
                self.progress.note(&format!("{}: {problem}", one.probe.name()));
            }
        }
        let event = match way {
            Way::Signed => {
                self.progress.begin(3, "post a signed test event to the webhook's URL");
                self.post_test_event(&tenant).await?
            }
            Way::Direct => {
                self.progress.begin(3, "deliver a test event to the portal");
                self.deliver_test_event(&tenant).await?
            }
        };
        Ok(Tried { examined, event })
    }

    /// Delivers a test event to the tenant's portal, and returns the id of its object.
    pub(crate) async fn deliver_test_event(&mut self, tenant: &Tenant) -> Result<String, SetupError> {
        let event = test_event()?;
        let deadline = Instant::now() + DELIVERY;
        self.clients.portals.deliver(tenant, &event, &HeaderMap::new(), deadline).await?;
        Ok(event.resource().unwrap_or_default().to_owned())
    }

    /// Signs a test event and posts it as Onfido would.
    async fn post_test_event(&mut self, tenant: &Tenant) -> Result<String, SetupError> {
        let event = test_event()?;
        let id = tenant.webhook_id.as_deref().ok_or(SetupError::Incomplete("id"))?;
        let webhook = self.clients.onfido.registered_webhook(tenant, id).await;
        let webhook = webhook.map_err(SetupError::onfido("the webhook of the entry cannot be read"))?;
        // Onfido signs with its own token, whatever the entry says.
        let token = webhook.token.as_ref().or(tenant.signing_token.as_ref());
        let token = token.ok_or(SetupError::Incomplete("signing token"))?;
        let registered = webhook.url.as_deref().and_then(|url| Url::parse(url).ok());
        let own = registered.filter(|url| self.expected.is_own_url(url.as_str(), &tenant.name));
        // What is posted would go to somebody else.
        let Some(url) = own else {
            return Err(SetupError::Foreign { id: id.to_owned() });
        };
        post_signed(&self.clients.notifications, &url, &event, token).await?;
        Ok(event.resource().unwrap_or_default().to_owned())
    }
}

// === impl Tried ===

impl Tried {
    /// Returns whether no probe found anything.
    pub fn is_clean(&self) -> bool {
        let is_clean =
            |one: &Examined| one.problem().is_none() || one.probe == Probe::Clock && one.findings.is_empty();
        self.examined.iter().all(is_clean)
    }
}

/// The time for a login and a delivery.
const DELIVERY: Duration = Duration::from_secs(30);
