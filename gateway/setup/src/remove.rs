//! Removes a tenant.

use kyc_model::{Secret, Tenant};
use kyc_tenants::{DocumentEdit, change, error_chain};

use crate::setup::require_unchanged;
use crate::{Setup, SetupError};

/// A tenant that was removed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Removed {
    /// The id of the webhook that was deleted; `None` if it was none of this tenant alone.
    pub webhook_id: Option<String>,
}

/// What happens to the webhook.
enum Fate {
    Delete(String),
    /// For this reason.
    Keep(&'static str),
}

// === impl Setup ===

impl Setup {
    /// Returns what [`Setup::remove`] would do, one line for each step.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when there is no such tenant, or its webhook cannot be read.
    pub async fn plan_of_remove(&mut self, name: &str) -> Result<Vec<String>, SetupError> {
        let document = self.document().await?;
        let tenant = self.tenant(&document, name)?;
        let webhook = match self.fate(&tenant).await? {
            Fate::Delete(id) => format!("delete the webhook {id} at Onfido"),
            Fate::Keep(reason) => format!("leave Onfido as it is: {reason}"),
        };
        Ok(vec![STEPS[0].to_owned(), webhook, format!("{}: {}", STEPS[2], self.source.describe())])
    }

    /// Deletes the webhook of a tenant, and then its entry. A second call finds what an earlier one left, and finishes.
    ///
    /// # Errors
    ///
    /// [`SetupError`] of the first step that failed; [`SetupError::Left`] if the webhook is deleted and the entry is there.
    pub async fn remove(&mut self, name: &str) -> Result<Removed, SetupError> {
        self.progress.begin(1, STEPS[0]);
        let document = self.document().await?;
        let tenant = self.tenant(&document, name)?;
        let fate = self.fate(&tenant).await?;
        self.progress.begin(2, STEPS[1]);
        let webhook_id = match fate {
            Fate::Keep(reason) => {
                self.progress.note(&format!("nothing is deleted: {reason}"));
                None
            }
            Fate::Delete(id) => {
                let deleted = self.clients.onfido.delete_webhook(&tenant, &id).await;
                deleted.map_err(SetupError::onfido("the webhook cannot be deleted"))?;
                self.progress.note(&format!("deleted the webhook {id}"));
                Some(id)
            }
        };
        self.progress.begin(3, STEPS[2]);
        let hosts = self.hosts.clone();
        let edit = |before: &Secret| -> Result<Secret, SetupError> {
            // Another operator may have given the entry another webhook.
            require_unchanged(before, &hosts, &tenant)?;
            let mut edit = DocumentEdit::new(before);
            edit.remove(name)?;
            Ok(edit.into_document())
        };
        match change(&mut *self.source, edit).await {
            Ok(()) => Ok(Removed { webhook_id }),
            Err(error) => {
                let failure = SetupError::from(error);
                Err(match webhook_id {
                    Some(id) => SetupError::Left {
                        cause: error_chain(&failure),
                        left: format!(
                            "the webhook {id} is deleted and the entry is left: run the same command again, which finishes"
                        ),
                    },
                    None => failure,
                })
            }
        }
    }

    /// Decides whether the webhook of the tenant is deleted. One that others may use is not.
    async fn fate(&mut self, tenant: &Tenant) -> Result<Fate, SetupError> {
        let Some(id) = &tenant.webhook_id else { return Ok(Fate::Keep("the entry has no webhookId")) };
        // Without the whole URL, a webhook of another gateway that has a copy of the document would look like this one's.
        self.url_of(&tenant.name)?;
        match self.clients.onfido.registered_webhook(tenant, id).await {
            Ok(webhook) => {
                let url = webhook.url.unwrap_or_default();
                Ok(match self.expected.is_own_url(&url, &tenant.name) {
                    true => Fate::Delete(id.clone()),
                    false => Fate::Keep("the webhook does not point to this gateway's URL for the tenant"),
                })
            }
            Err(error) if error.is_absent() => Ok(Fate::Keep("Onfido's account has no such webhook")),
            Err(error) => Err(SetupError::onfido("the webhook of the entry cannot be read")(error)),
        }
    }
}

/// What each step does.
const STEPS: [&str; 3] =
    ["read the entry and its webhook", "delete the webhook at Onfido", "remove the entry by check-and-set"];
