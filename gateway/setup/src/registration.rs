//! The webhook of a tenant at Onfido: registers it, or adopts one that is there, and takes that back.

use kyc_model::{Environment, Secret, Tenant};
use kyc_onfido_client::{OnfidoError, RegisteredWebhook, WebhookSettings};
use kyc_tenants::error_chain;
use url::Url;

use crate::{Setup, SetupError, WebhookEnvironments};

/// A tenant's webhook, which an entry can name.
pub(crate) struct Registration {
    pub(crate) id: String,
    pub(crate) token: Secret,
    pub(crate) origin: Origin,
}

/// Where a webhook is from, which says how it is taken back.
pub(crate) enum Origin {
    /// This run registered it.
    Created,
    /// It was there, with the settings that are wanted.
    Found,
    /// It was there, with these settings, which this run has changed.
    Changed(WebhookSettings),
}

// === impl Setup ===

impl Setup {
    /// Registers the webhook with this URL, or adopts the one of the account that has it.
    pub(crate) async fn register(
        &mut self,
        tenant: &Tenant,
        url: &Url,
        environments: WebhookEnvironments,
    ) -> Result<Registration, SetupError> {
        let wanted = self.wanted(tenant, url, environments);
        // Nobody has named an environment, and the credential does not tell one.
        let is_unspecified =
            matches!(environments, WebhookEnvironments::OfToken) && environments.of(tenant).is_none();
        let found = self.own_webhooks(tenant).await?;
        let Some((webhook, others)) = found.split_first() else {
            return self.create(tenant, &wanted).await;
        };
        if !others.is_empty() {
            let ids: Vec<&str> = others.iter().filter_map(|one| one.id.as_deref()).collect();
            self.progress.note(&format!(
                "the account has more webhooks with this URL, whose notifications the gateway refuses; delete them in Onfido's \
                 dashboard: {}",
                ids.join(", ")
            ));
        }
        let mut wanted = wanted;
        if is_unspecified {
            // A webhook that somebody has restricted stays so.
            wanted.environments = settings_of(webhook, &wanted).environments;
        }
        self.adopt(tenant, webhook, &wanted).await
    }

    /// Returns the webhooks of the account that have the tenant's URL, enabled ones first.
    pub(crate) async fn own_webhooks(&self, tenant: &Tenant) -> Result<Vec<RegisteredWebhook>, SetupError> {
        let listed = self.clients.onfido.webhooks(tenant).await;
        let mut found =
            listed.map_err(SetupError::onfido("the webhooks of the account cannot be listed"))?.webhooks;
        let is_own = |url: &str| self.expected.is_own_url(url, &tenant.name);
        found.retain(|webhook| webhook.id.is_some() && webhook.url.as_deref().is_some_and(is_own));
        found.sort_by_key(|webhook| webhook.enabled == Some(false));
        Ok(found)
    }

    fn wanted(&self, tenant: &Tenant, url: &Url, environments: WebhookEnvironments) -> WebhookSettings {
        WebhookSettings {
            name: format!("kyc-gateway {}", tenant.name),
            url: url.to_string(),
            enabled: true,
            events: self.expected.events_of(tenant).into_iter().collect(),
            environments: names(environments.of(tenant)),
        }
    }

    async fn create(
        &mut self,
        tenant: &Tenant,
        wanted: &WebhookSettings,
    ) -> Result<Registration, SetupError> {
        let created = self.clients.onfido.create_webhook(tenant, wanted).await.map_err(|error| {
            let may_be_there = matches!(
                error,
                OnfidoError::Transport(_) | OnfidoError::Unavailable { .. } | OnfidoError::Malformed
            );
            let failure = SetupError::onfido(REFUSED)(error);
            if may_be_there { failure.leaving(UNKNOWN) } else { failure }
        })?;
        let Some(id) = created.id.clone() else {
            return Err(SetupError::Incomplete("id").leaving(UNKNOWN));
        };
        self.progress.note(&format!("registered the webhook {id}"));
        match self.token(tenant, &created).await {
            Ok(token) => Ok(Registration { id, token, origin: Origin::Created }),
            Err(error) => Err(self.take_back(tenant, &id, &Origin::Created, error).await),
        }
    }

    async fn adopt(
        &mut self,
        tenant: &Tenant,
        webhook: &RegisteredWebhook,
        wanted: &WebhookSettings,
    ) -> Result<Registration, SetupError> {
        let id = webhook.id.clone().ok_or(SetupError::Incomplete("id"))?;
        let token = self.token(tenant, webhook).await?;
        let before = settings_of(webhook, wanted);
        let mut wanted = wanted.clone();
        // What somebody else added stays.
        let missing: Vec<String> =
            wanted.events.iter().filter(|event| !before.events.contains(event)).cloned().collect();
        wanted.events = match before.events.is_empty() {
            true => Vec::new(),
            false => before.events.iter().cloned().chain(missing).collect(),
        };
        (wanted.name, wanted.url) = (before.name.clone(), before.url.clone());
        if wanted == before {
            self.progress.note(&format!("adopted the webhook {id}, which has this URL"));
            return Ok(Registration { id, token, origin: Origin::Found });
        }
        let updated = self.clients.onfido.update_webhook(tenant, &id, &wanted).await;
        updated.map_err(SetupError::onfido("the webhook that has this URL cannot be changed"))?;
        self.progress
            .note(&format!("adopted the webhook {id}, which has this URL, and corrected its settings"));
        Ok(Registration { id, token, origin: Origin::Changed(before) })
    }

    /// Returns the signing token. Old versions of the API list webhooks without it.
    async fn token(&self, tenant: &Tenant, webhook: &RegisteredWebhook) -> Result<Secret, SetupError> {
        if let Some(token) = &webhook.token {
            return Ok(token.clone());
        }
        let id = webhook.id.as_deref().ok_or(SetupError::Incomplete("id"))?;
        let read = self.clients.onfido.webhook(tenant, id).await;
        let token = read.map_err(SetupError::onfido("the signing token cannot be read"))?.token;
        token.ok_or(SetupError::Incomplete("signing token"))
    }

    /// Takes a registration back after a failure, and returns the error that says so.
    pub(crate) async fn take_back(
        &mut self,
        tenant: &Tenant,
        id: &str,
        origin: &Origin,
        failure: SetupError,
    ) -> SetupError {
        if matches!(origin, Origin::Found) {
            return failure;
        }
        // The write may be under way still.
        if failure.may_have_written() {
            return failure.leaving(format!("the webhook {id} stays, {WRITTEN}"));
        }
        // Another run for the same tenant may have adopted it.
        if self.uses_webhook(id).await {
            return failure.leaving(format!("the webhook {id} stays, {IN_USE}"));
        }
        let undone = match origin {
            Origin::Created => self.clients.onfido.delete_webhook(tenant, id).await,
            Origin::Changed(before) => self.clients.onfido.update_webhook(tenant, id, before).await.map(drop),
            Origin::Found => Ok(()),
        };
        match undone {
            Ok(()) => SetupError::TakenBack { cause: Box::new(failure) },
            Err(error) => failure.leaving(format!(
                "the webhook {id} is left at Onfido ({}): run the same command again, which adopts it, or delete it in Onfido's \
                 dashboard",
                error_chain(&error)
            )),
        }
    }
}

/// The names of environments; all of them for `None`, since a list that is left out changes nothing.
fn names(only: Option<Environment>) -> Vec<String> {
    let all = [Environment::Live, Environment::Sandbox];
    let named = all.iter().filter(|one| only.is_none_or(|only| only == **one));
    named.map(|one| one.name().to_owned()).collect()
}

/// The settings of a webhook. Those that it lacks are as wanted, so that they do not count as different.
fn settings_of(webhook: &RegisteredWebhook, wanted: &WebhookSettings) -> WebhookSettings {
    let mut environments = webhook.environments.clone().unwrap_or_default();
    if environments.is_empty() {
        environments = names(None);
    }
    environments.sort_unstable();
    WebhookSettings {
        name: webhook.name.clone().unwrap_or_else(|| wanted.name.clone()),
        url: webhook.url.clone().unwrap_or_else(|| wanted.url.clone()),
        enabled: webhook.enabled.unwrap_or(true),
        events: webhook.events.clone().unwrap_or_default(),
        environments,
    }
}

/// The usual reasons why Onfido refuses a registration.
const REFUSED: &str = "the webhook cannot be registered (Onfido takes only https:// URLs, and an API token that may change webhooks)";
/// What is left after a registration without an answer.
const UNKNOWN: &str =
    "Onfido may have registered the webhook all the same: run the same command again, which adopts it";
/// Why a webhook is not taken back after a write without an answer.
const WRITTEN: &str = "because its entry may have been written: run the same command again, which finishes";
/// Why a webhook is not taken back.
const IN_USE: &str = "because an entry of the document names it, or the document cannot be read: run the same command again, which \
                      finishes, or `kyc-gateway tenants remove`";
