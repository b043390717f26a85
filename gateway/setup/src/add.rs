//! Adds a tenant.

use std::sync::Arc;

use kyc_doctor::Probe;
use kyc_model::{Secret, Tenant, TenantName};
use kyc_tenants::{Document, DocumentEdit, EditError, change};

use crate::registration::Registration;
use crate::{NewTenant, Setup, SetupError};

/// A tenant that is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Added {
    /// The tenant as the gateway serves it.
    pub tenant: Arc<Tenant>,
    /// The id of its webhook.
    pub webhook_id: String,
    /// Whether an earlier run had set it up completely, so that nothing was changed.
    pub was_complete: bool,
}

// === impl Setup ===

impl Setup {
    /// Returns what [`Setup::add`] would do, one line for each step. Reads the document, and the webhooks of the account.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the entry cannot be added, or Onfido refuses the token.
    pub async fn plan_of_add(&mut self, new: &NewTenant) -> Result<Vec<String>, SetupError> {
        let url = self.url_of(&TenantName::new(new.name.as_str()))?;
        let document = self.document().await?;
        if let Some(present) = self.present(&document, new)? {
            return Ok(vec![format!("confirm the webhook {} of the entry, which is there", id(&present)?)]);
        }
        let tenant = self.candidate(&document, new)?;
        let webhook = match self.own_webhooks(&tenant).await?.first() {
            Some(found) => {
                format!("adopt the webhook {}, which has the URL", found.id.as_deref().unwrap_or_default())
            }
            None => "register a webhook".to_owned(),
        };
        let events: Vec<String> = self.expected.events_of(&tenant).into_iter().collect();
        let events = if events.is_empty() { "all events".to_owned() } else { events.join(", ") };
        let environment =
            new.environments.of(&tenant).map_or("both environments", kyc_model::Environment::name);
        Ok(vec![
            STEPS[0].to_owned(),
            STEPS[1].to_owned(),
            format!("{}: action {}", STEPS[2], tenant.action(kyc_model::TEST_EVENT_KIND)),
            format!("{webhook} at Onfido: {url}, {events}, {environment}"),
            format!("{}: {}", STEPS[4], self.source.describe()),
            STEPS[5].to_owned(),
        ])
    }

    /// Sets up a tenant. A second call with the same values finds what an earlier one left, and finishes.
    ///
    /// # Errors
    ///
    /// [`SetupError`] of the first step that failed. What was done before is taken back; if that fails too, the error is
    /// [`SetupError::Left`].
    pub async fn add(&mut self, new: &NewTenant) -> Result<Added, SetupError> {
        self.progress.begin(1, STEPS[0]);
        let url = self.url_of(&TenantName::new(new.name.as_str()))?;
        let document = self.document().await?;
        if let Some(present) = self.present(&document, new)? {
            self.progress.note("the entry is there already");
            return self.confirm(present, true).await;
        }
        let candidate = self.candidate(&document, new)?;
        self.source.prove_writable(&document).await?;
        self.progress.begin(2, STEPS[1]);
        self.require(&candidate, &[Probe::Credential, Probe::Portal]).await?;
        self.progress.begin(3, STEPS[2]);
        self.deliver_test_event(&candidate).await?;
        self.progress.begin(4, STEPS[3]);
        let registration = self.register(&candidate, &url, new.environments).await?;
        self.progress.begin(5, STEPS[4]);
        if let Err(failure) = self.write(new, &registration).await {
            let Registration { id, origin, .. } = &registration;
            return Err(self.take_back(&candidate, id, origin, failure).await);
        }
        self.progress.begin(6, STEPS[5]);
        let document = self.document().await?;
        let added = self.tenant(&document, &new.name)?;
        self.confirm(added, false).await
    }

    /// Returns the tenant if an earlier run has written its entry. Fields that `new` leaves out may have any value.
    fn present(&self, document: &Secret, new: &NewTenant) -> Result<Option<Arc<Tenant>>, SetupError> {
        let parsed = Document::read(document, &self.hosts)?;
        let Some(tenant) = parsed.tenants.by_name(&new.name) else { return Ok(None) };
        let (edit, mut fields) = (DocumentEdit::new(document), Vec::new());
        for (field, value) in new.fields() {
            if !edit.has(&new.name, field, &value)? {
                fields.push(field);
            }
        }
        if tenant.webhook_id.is_none() {
            fields.push("webhookId");
        }
        match fields.is_empty() {
            true => Ok(Some(Arc::clone(tenant))),
            false => Err(SetupError::Other { name: new.name.clone(), fields }),
        }
    }

    /// Returns the tenant as the gateway would serve it, without its webhook.
    fn candidate(&self, document: &Secret, new: &NewTenant) -> Result<Arc<Tenant>, SetupError> {
        let changed = with_entry(document, &new.fields())?;
        let (before, after) =
            (Document::read(document, &self.hosts)?.tenants, Document::read(&changed, &self.hosts)?.tenants);
        // A tenant without `callers` may be served because it is the only one.
        let is_served = |tenant: &&Arc<Tenant>| (self.objection)(&before, tenant.name.as_str()).is_none();
        for tenant in before.iter().filter(is_served) {
            if let Some(reason) = (self.objection)(&after, tenant.name.as_str()) {
                let reason = format!("the tenant {} would not be served any more: {reason}", tenant.name);
                return Err(SetupError::Refused { reason });
            }
        }
        self.tenant(&changed, &new.name)
    }

    async fn write(&mut self, new: &NewTenant, registration: &Registration) -> Result<(), SetupError> {
        let mut fields = new.fields();
        fields.push(("webhookId", Secret::new(registration.id.clone())));
        fields.push(("webhookToken", registration.token.clone()));
        let (hosts, id) = (self.hosts.clone(), Secret::new(registration.id.clone()));
        let edit = |before: &Secret| -> Result<Secret, SetupError> {
            // A write whose answer was lost.
            if let Ok(true) = DocumentEdit::new(before).has(&new.name, "webhookId", &id) {
                return Ok(before.clone());
            }
            let after = with_entry(before, &fields)?;
            // Another writer may have added an entry that excludes this one.
            let parsed = Document::read(&after, &hosts)?;
            match parsed.tenants.by_name(&new.name) {
                Some(_) => Ok(after),
                None => {
                    Err(SetupError::Refused { reason: "it shares a value with another entry".to_owned() })
                }
            }
        };
        Ok(change(&mut *self.source, edit).await?)
    }

    /// Checks that the webhook of the entry is there: another run for the same tenant may have taken it back.
    async fn confirm(&mut self, tenant: Arc<Tenant>, was_complete: bool) -> Result<Added, SetupError> {
        let webhook_id = id(&tenant)?;
        match self.clients.onfido.registered_webhook(&tenant, &webhook_id).await {
            Ok(_) => Ok(Added { tenant, webhook_id, was_complete }),
            Err(error) if error.is_absent() => {
                Err(SetupError::WebhookGone { id: webhook_id }.leaving(WRITTEN))
            }
            Err(error) => Err(SetupError::onfido("the webhook of the entry cannot be read")(error)),
        }
    }
}

fn with_entry(document: &Secret, fields: &[(&'static str, Secret)]) -> Result<Secret, EditError> {
    let fields: Vec<(&str, &Secret)> = fields.iter().map(|(name, value)| (*name, value)).collect();
    let mut edit = DocumentEdit::new(document);
    edit.add(&fields)?;
    Ok(edit.into_document())
}

fn id(tenant: &Tenant) -> Result<String, SetupError> {
    tenant.webhook_id.clone().ok_or(SetupError::Incomplete("id"))
}

const WRITTEN: &str = "the entry is written: run `kyc-gateway tenants remove`, then this command again";
/// What each step does.
const STEPS: [&str; 6] = [
    "check the entry against the document, and the right to write it",
    "try the API token at Onfido and the login at the portal",
    "deliver a test event to the portal",
    "register the webhook at Onfido",
    "write the entry by check-and-set",
    "confirm that Onfido has the webhook of the entry",
];
