//! Replaces the API token of a tenant.
//!
//! Onfido accepts both tokens until somebody revokes the old one in its dashboard. So there is no moment without a valid token: the
//! new one is tried, written, and taken up by each gateway at its next poll; what is under way ends with the old one.

use kyc_doctor::{Code, Probe};
use kyc_model::Secret;
use kyc_tenants::{DocumentEdit, change};

use crate::setup::require_unchanged;
use crate::{Setup, SetupError};

// === impl Setup ===

impl Setup {
    /// Returns what [`Setup::rotate`] would do, one line for each step.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when there is no such tenant.
    pub async fn plan_of_rotation(&mut self, name: &str) -> Result<Vec<String>, SetupError> {
        let document = self.document().await?;
        self.tenant(&document, name)?;
        Ok(vec![
            STEPS[0].to_owned(),
            STEPS[1].to_owned(),
            format!("{}: {}", STEPS[2], self.source.describe()),
        ])
    }

    /// Replaces the API token. The old one stays valid.
    ///
    /// # Errors
    ///
    /// [`SetupError`] of the first step that failed; then nothing is written.
    pub async fn rotate(&mut self, name: &str, token: &Secret) -> Result<(), SetupError> {
        self.progress.begin(1, STEPS[0]);
        let document = self.document().await?;
        let before = self.tenant(&document, name)?;
        let changed = with_token(&document, name, token)?;
        let after = self.tenant(&changed, name)?;
        self.progress.begin(2, STEPS[1]);
        let examined = self.require(&after, &[Probe::Credential]).await?;
        // A token of another account works too, until the first call for a person of this one.
        for one in examined.into_iter().filter(|one| one.probe == Probe::Webhook) {
            if one.findings.iter().any(|(code, _)| *code == Code::WebhookMissing) {
                return Err(SetupError::Trial(OTHER_ACCOUNT.to_owned()));
            }
            if let Some(reason) = one.unknown {
                return Err(SetupError::Trial(reason));
            }
        }
        self.progress.begin(3, STEPS[2]);
        let hosts = self.hosts.clone();
        let edit = |current: &Secret| -> Result<Secret, SetupError> {
            require_unchanged(current, &hosts, &before)?;
            with_token(current, name, token)
        };
        Ok(change(&mut *self.source, edit).await?)
    }
}

fn with_token(document: &Secret, name: &str, token: &Secret) -> Result<Secret, SetupError> {
    let mut edit = DocumentEdit::new(document);
    edit.set(name, "apiToken", Some(token))?;
    Ok(edit.into_document())
}

const OTHER_ACCOUNT: &str = "the webhook of the entry is not visible under the new token: the token belongs to another account of Onfido, or \
                             the webhook was deleted";
/// What each step does.
const STEPS: [&str; 3] = [
    "read the entry",
    "try the new API token at Onfido: it must show the webhook of the entry",
    "write the API token by check-and-set",
];
