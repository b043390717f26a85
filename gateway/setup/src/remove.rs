//! Removes a tenant.

use std::sync::Arc;

use kyc_model::{Secret, Tenant};
use kyc_onfido_client::OnfidoError;
use kyc_tenants::{DocumentEdit, EditError, change};

use crate::setup::require_unchanged;
use crate::{Setup, SetupError};

/// What a removal does at Onfido.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtOnfido {
    /// Deletes the webhook of the tenant.
    DeleteWebhook,
    /// Nothing, so that a tenant whose credential Onfido refuses, or whose entry the gateway refuses, can be removed.
    KeepWebhook,
}

/// A tenant that was removed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Removed {
    /// What happened to the webhook.
    pub webhook: WebhookFate,
}

/// What happens to the webhook of a tenant that is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookFate {
    /// It is deleted; its id.
    Deleted(String),
    /// It is left at Onfido.
    Left {
        /// Its id.
        id: String,
        /// Why it is left.
        reason: WhyLeft,
    },
    /// There is none, for this reason.
    Absent(&'static str),
}

/// Why a webhook is left at Onfido.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyLeft {
    /// By [`AtOnfido::KeepWebhook`]. Nobody has looked where it points to.
    Kept,
    /// It points to another URL, so that another system may use it.
    Foreign,
}

/// What a removal would do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemovalPlan {
    /// One line for each step.
    pub steps: Vec<String>,
    /// What would happen to the webhook.
    pub webhook: WebhookFate,
}

/// What a removal does, and the tenant as the gateway serves it. Only a tenant with a credential can have its webhook deleted.
enum Removal {
    /// Deletes the webhook with this id.
    Delete { tenant: Arc<Tenant>, id: String },
    /// Leaves the webhook. The tenant is absent if the gateway refuses its entry.
    Leave { tenant: Option<Arc<Tenant>>, id: String, reason: WhyLeft },
    /// There is no webhook, for this reason. The tenant is absent if the gateway refuses its entry.
    NoWebhook { tenant: Option<Arc<Tenant>>, reason: &'static str },
}

// === impl Removal ===

impl Removal {
    fn webhook(&self) -> WebhookFate {
        match self {
            Self::Delete { id, .. } => WebhookFate::Deleted(id.clone()),
            Self::Leave { id, reason, .. } => WebhookFate::Left { id: id.clone(), reason: *reason },
            Self::NoWebhook { reason, .. } => WebhookFate::Absent(reason),
        }
    }

    fn tenant(&self) -> Option<&Tenant> {
        match self {
            Self::Delete { tenant, .. } => Some(tenant),
            Self::Leave { tenant, .. } | Self::NoWebhook { tenant, .. } => tenant.as_deref(),
        }
    }
}

// === impl WhyLeft ===

impl WhyLeft {
    /// Returns the reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Kept => "it is to be kept",
            Self::Foreign => "the webhook does not point to this gateway's URL for the tenant",
        }
    }
}

// === impl Setup ===

impl Setup {
    /// Returns what [`Setup::remove`] would do.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when there is no such tenant, or its webhook cannot be read.
    pub async fn plan_of_remove(
        &mut self,
        name: &str,
        at_onfido: AtOnfido,
    ) -> Result<RemovalPlan, SetupError> {
        let document = self.document().await?;
        let webhook = self.removal(&document, name, at_onfido).await?.webhook();
        let at_onfido = match &webhook {
            WebhookFate::Deleted(id) => format!("delete the webhook {id} at Onfido"),
            WebhookFate::Left { id, reason } => {
                format!("leave the webhook {id} at Onfido: {}", reason.text())
            }
            WebhookFate::Absent(reason) => format!("leave Onfido as it is: {reason}"),
        };
        let write = format!("{}: {}", STEPS[2], self.source.describe());
        Ok(RemovalPlan { steps: vec![STEPS[0].to_owned(), at_onfido, write], webhook })
    }

    /// Deletes the webhook of a tenant, and then its entry. A second call finds what an earlier one left, and finishes.
    /// `confirmed` is what somebody has agreed to.
    ///
    /// # Errors
    ///
    /// [`SetupError::Changed`] when something else than `confirmed` would happen to the webhook; [`SetupError`] of the first step that
    /// failed; [`SetupError::Left`] if the webhook is deleted and the entry is there.
    pub async fn remove(
        &mut self,
        name: &str,
        at_onfido: AtOnfido,
        confirmed: Option<&WebhookFate>,
    ) -> Result<Removed, SetupError> {
        self.progress.begin(1, STEPS[0]);
        let document = self.document().await?;
        let removal = self.removal(&document, name, at_onfido).await?;
        let webhook = removal.webhook();
        if confirmed.is_some_and(|confirmed| *confirmed != webhook) {
            return Err(SetupError::Changed);
        }
        // Otherwise a run without the right to write would delete the webhook and leave the entry.
        self.source.prove_writable(&document).await?;
        self.progress.begin(2, STEPS[1]);
        match &removal {
            Removal::Delete { tenant, id } => {
                let deleted = self.clients.onfido.delete_webhook(tenant, id).await;
                deleted.map_err(refused("the webhook cannot be deleted"))?;
                self.progress.note(&format!("deleted the webhook {id}"));
            }
            Removal::Leave { reason, .. } => {
                self.progress.note(&format!("nothing is deleted: {}", reason.text()));
            }
            Removal::NoWebhook { reason, .. } => {
                self.progress.note(&format!("nothing is deleted: {reason}"));
            }
        }
        self.progress.begin(3, STEPS[2]);
        match self.remove_entry(name, removal.tenant()).await {
            Ok(()) => Ok(Removed { webhook }),
            Err(failure) => Err(match webhook {
                WebhookFate::Deleted(id) => failure.leaving(format!(
                    "the webhook {id} is deleted and the entry is left: run the same command again, which finishes"
                )),
                WebhookFate::Left { .. } | WebhookFate::Absent(_) => failure,
            }),
        }
    }

    /// Removes the entry, unless somebody has changed it since `before` was read.
    async fn remove_entry(&mut self, name: &str, before: Option<&Tenant>) -> Result<(), SetupError> {
        let hosts = self.hosts.clone();
        let edit = |current: &Secret| -> Result<Secret, SetupError> {
            let mut edit = DocumentEdit::new(current);
            match edit.remove(name) {
                // By a write whose answer was lost, or by another operator.
                Err(EditError::NotOne { count: 0, .. }) => return Ok(current.clone()),
                removed => removed?,
            }
            // Another operator may have given the entry another webhook.
            if let Some(before) = before {
                require_unchanged(current, &hosts, before)?;
            }
            Ok(edit.into_document())
        };
        Ok(change(&mut *self.source, edit).await?)
    }

    /// Decides what happens to the webhook of the tenant. One that others may use is not deleted. Only [`AtOnfido::KeepWebhook`] allows
    /// an entry that is refused.
    async fn removal(
        &mut self,
        document: &Secret,
        name: &str,
        at_onfido: AtOnfido,
    ) -> Result<Removal, SetupError> {
        if at_onfido == AtOnfido::KeepWebhook {
            let webhook = DocumentEdit::new(document).webhook_id(name)?;
            let tenant = self.tenant(document, name).ok();
            return Ok(match webhook {
                Some(id) => Removal::Leave { tenant, id, reason: WhyLeft::Kept },
                None => Removal::NoWebhook { tenant, reason: NO_ID },
            });
        }
        let tenant = self.tenant(document, name).map_err(|error| match error {
            SetupError::Refused { reason } => SetupError::Refused { reason: format!("{reason}; {INSTEAD}") },
            error => error,
        })?;
        let Some(id) = tenant.webhook_id.clone() else {
            return Ok(Removal::NoWebhook { tenant: Some(tenant), reason: NO_ID });
        };
        // Without the whole URL, a webhook of another gateway that has a copy of the document would look like this one's.
        self.url_of(&tenant.name)?;
        match self.clients.onfido.registered_webhook(&tenant, &id).await {
            Ok(webhook) => {
                let url = webhook.url.unwrap_or_default();
                Ok(match self.expected.is_own_url(&url, &tenant.name) {
                    true => Removal::Delete { tenant, id },
                    false => Removal::Leave { tenant: Some(tenant), id, reason: WhyLeft::Foreign },
                })
            }
            Err(error) if error.is_absent() => Ok(Removal::NoWebhook { tenant: Some(tenant), reason: GONE }),
            Err(error) => Err(refused("the webhook of the entry cannot be read")(error)),
        }
    }
}

/// The error of a call; of a refused credential, with what can be done without one.
fn refused(what: &'static str) -> impl FnOnce(OnfidoError) -> SetupError {
    move |error| match error.is_credential_refused() {
        true => SetupError::onfido(what)(error).leaving(format!("nothing was changed; {INSTEAD}")),
        false => SetupError::onfido(what)(error),
    }
}

const NO_ID: &str = "the entry has no webhookId";
const GONE: &str = "Onfido's account has no such webhook";
const INSTEAD: &str = "--keep-webhook removes the entry, and leaves the webhook at Onfido";
/// What each step does.
const STEPS: [&str; 3] = [
    "read the entry and its webhook, and try the right to write",
    "delete the webhook at Onfido",
    "remove the entry by check-and-set",
];
