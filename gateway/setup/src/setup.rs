//! What the operations work with, and the calls that several of them make.

use std::fmt;
use std::sync::Arc;

use kyc_doctor::{Doctor, Examined, Expected, Probe};
use kyc_model::{Secret, Tenant, TenantName, TenantTable};
use kyc_onfido_client::OnfidoClient;
use kyc_portal::PortalClient;
use kyc_tenants::{Document, DocumentEdit, OnfidoHosts, WritableSource};
use reqwest::Client;
use url::Url;

use crate::{Progress, SetupError};

/// The clients of the two sides of a tenant.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Calls Onfido under a tenant's credential.
    pub onfido: OnfidoClient,
    /// Logs in at portals and delivers.
    pub portals: Arc<PortalClient>,
    /// Posts to the gateway, as Onfido does.
    pub notifications: Client,
}

/// Returns why the rest of the configuration would not serve a tenant of a table; the second argument is its name.
pub type Objection = Box<dyn Fn(&TenantTable, &str) -> Option<String> + Send + Sync>;

/// Changes tenants: one operation at a time.
pub struct Setup {
    /// The source of the tenant document.
    pub source: Box<dyn WritableSource>,
    /// The hosts that may receive API tokens.
    pub hosts: OnfidoHosts,
    /// The clients.
    pub clients: Clients,
    /// Probes a tenant.
    pub doctor: Doctor,
    /// What the gateway expects of webhooks.
    pub expected: Expected,
    /// The rest of the configuration.
    pub objection: Objection,
    /// Gets told how the operation proceeds.
    pub progress: Box<dyn Progress>,
}

// === impl Setup ===

impl Setup {
    /// Reads the document.
    pub(crate) async fn document(&mut self) -> Result<Secret, SetupError> {
        Ok(self.source.read().await?)
    }

    /// Returns the tenant of an entry as the gateway would serve it.
    pub(crate) fn tenant(&self, document: &Secret, name: &str) -> Result<Arc<Tenant>, SetupError> {
        let parsed = Document::read(document, &self.hosts)?;
        let Some(tenant) = parsed.tenants.by_name(name) else {
            let refusal = parsed.refused.into_iter().find(|refusal| refusal.name.as_deref() == Some(name));
            return Err(match refusal {
                Some(refusal) => SetupError::Refused { reason: refusal.reason },
                None => SetupError::Unknown { name: name.to_owned() },
            });
        };
        match (self.objection)(&parsed.tenants, name) {
            Some(reason) => Err(SetupError::Refused { reason }),
            None => Ok(Arc::clone(tenant)),
        }
    }

    /// Returns whether an entry of the document names this webhook, also one that the gateway refuses; yes also if the document cannot
    /// be read, so that nobody deletes a webhook that may be in use.
    pub(crate) async fn uses_webhook(&mut self, id: &str) -> bool {
        let Ok(document) = self.document().await else { return true };
        DocumentEdit::new(&document).names_webhook(id).unwrap_or(true)
    }

    /// Returns whether a text contains a secret of a tenant of the document, which an operator may have pasted by mistake.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the document cannot be read.
    pub async fn has_secret_within(&mut self, text: &str) -> Result<bool, SetupError> {
        let document = self.document().await?;
        let parsed = Document::read(&document, &self.hosts)?;
        Ok(parsed.tenants.iter().any(|tenant| tenant.has_secret_within(text)))
    }

    pub(crate) fn url_of(&self, name: &TenantName) -> Result<Url, SetupError> {
        self.expected.url_of(name).ok_or(SetupError::NoNotificationUrl)
    }

    /// Probes the tenant; a problem of one of these probes is an error. What the clock says is a note.
    pub(crate) async fn require(
        &mut self,
        tenant: &Tenant,
        probes: &[Probe],
    ) -> Result<Vec<Examined>, SetupError> {
        let examined = self.doctor.examine(tenant).await;
        for one in &examined {
            if probes.contains(&one.probe) {
                if let Some((code, advice)) = one.findings.first() {
                    return Err(SetupError::Finding { code: *code, advice: advice.clone() });
                }
                if let Some(reason) = &one.unknown {
                    return Err(SetupError::Inconclusive(reason.clone()));
                }
            }
            if let (Probe::Clock, Some(problem)) = (one.probe, one.problem()) {
                self.progress.note(problem);
            }
        }
        Ok(examined)
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("source", &self.source.describe()).finish_non_exhaustive()
    }
}

/// Refuses an edit if somebody has changed the entry since; the hash of its fields has the same key within the process.
pub(crate) fn require_unchanged(
    document: &Secret,
    hosts: &OnfidoHosts,
    before: &Tenant,
) -> Result<(), SetupError> {
    let parsed = Document::read(document, hosts)?;
    match parsed.tenants.by_name(before.name.as_str()) {
        Some(now) if now.fingerprint == before.fingerprint => Ok(()),
        Some(_) | None => Err(SetupError::Changed),
    }
}
