//! Replaces the API token of a tenant.
//!
//! Onfido accepts both tokens until somebody revokes the old one in its dashboard. So there is no moment without a valid token: the
//! new one is tried, written, and taken up by each gateway at its next poll; what is under way ends with the old one.

use std::collections::BTreeSet;

use kyc_doctor::Probe;
use kyc_model::{Credential, Secret, Tenant};
use kyc_tenants::{DocumentEdit, change};

use crate::setup::require_unchanged;
use crate::{Setup, SetupError};

/// What must show that a new API token belongs to the same account of Onfido as the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountProof {
    /// A webhook that both tokens show.
    Webhook,
    /// Nothing: the operator knows.
    Operator,
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The entry has the new token.
    Replaced,
    /// The entry had this token already; nothing was written.
    Unchanged,
}

// === impl Setup ===

impl Setup {
    /// Returns what [`Setup::rotate`] would do, one line for each step.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when there is no such tenant, or it has no API token.
    pub async fn plan_of_rotation(&mut self, name: &str) -> Result<Vec<String>, SetupError> {
        let document = self.document().await?;
        require_api_token(&*self.tenant(&document, name)?)?;
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
    pub async fn rotate(
        &mut self,
        name: &str,
        token: &Secret,
        proof: AccountProof,
    ) -> Result<Rotation, SetupError> {
        self.progress.begin(1, STEPS[0]);
        let document = self.document().await?;
        let before = self.tenant(&document, name)?;
        require_api_token(&before)?;
        let changed = with_token(&document, name, token)?;
        let after = self.tenant(&changed, name)?;
        if after.fingerprint == before.fingerprint {
            return Ok(Rotation::Unchanged);
        }
        require_environment(&before, &after)?;
        self.progress.begin(2, STEPS[1]);
        self.require(&after, &[Probe::Credential]).await?;
        if proof == AccountProof::Webhook {
            self.prove_account(&before, &after).await?;
        }
        self.progress.begin(3, STEPS[2]);
        let hosts = self.hosts.clone();
        let edit = |current: &Secret| -> Result<Secret, SetupError> {
            let changed = with_token(current, name, token)?;
            // Also by a write whose answer was lost.
            if !changed.is_same(current) {
                require_unchanged(current, &hosts, &before)?;
            }
            Ok(changed)
        };
        change(&mut *self.source, edit).await?;
        Ok(Rotation::Replaced)
    }

    /// Proves that the new token shows the account of the old one: a token of another account works too, until the first call for a
    /// person of this one. The webhook of the entry proves it, or any other one, if that was deleted at Onfido.
    async fn prove_account(&mut self, before: &Tenant, after: &Tenant) -> Result<(), SetupError> {
        let shown = self.webhook_ids(after, "the webhooks cannot be listed under the new token").await?;
        if before.webhook_id.as_ref().is_some_and(|id| shown.contains(id)) {
            return Ok(());
        }
        let known = match self.webhook_ids(before, "the webhooks cannot be listed under the old token").await
        {
            Ok(known) => known,
            Err(SetupError::Onfido { source, .. }) if source.is_credential_refused() => {
                return Err(SetupError::Account { reason: OLD_TOKEN_FAILS });
            }
            Err(error) => return Err(error.leaving("nothing was written")),
        };
        if before.webhook_id.as_ref().is_some_and(|id| known.contains(id)) {
            return Err(SetupError::Account { reason: OTHER_ACCOUNT });
        }
        match known.intersection(&shown).next() {
            Some(id) => {
                self.progress.note(&format!(
                    "the webhook of the entry was deleted at Onfido; both tokens show the webhook {id}, so they are of one account. \
                     `kyc-gateway tenants doctor` names what is missing"
                ));
                Ok(())
            }
            None => Err(SetupError::Account { reason: NO_PROOF }),
        }
    }

    /// Returns the ids of all webhooks of the account.
    async fn webhook_ids(
        &self,
        tenant: &Tenant,
        failure: &'static str,
    ) -> Result<BTreeSet<String>, SetupError> {
        let listed = self.clients.onfido.webhooks(tenant).await.map_err(SetupError::onfido(failure))?;
        Ok(listed.webhooks.into_iter().filter_map(|webhook| webhook.id).collect())
    }
}

/// Refuses an OAuth client: an API token would be used in its place, and it would stay in the entry and valid at Onfido.
fn require_api_token(tenant: &Tenant) -> Result<(), SetupError> {
    match tenant.credential {
        Credential::ApiToken(_) => Ok(()),
        Credential::OAuth(_) => Err(SetupError::Token { reason: OAUTH.to_owned() }),
    }
}

/// Refuses a token of the other environment. Both may be of one account and show its webhooks, but each one sees only the people of its
/// own environment.
fn require_environment(before: &Tenant, after: &Tenant) -> Result<(), SetupError> {
    match (before.credential.environment(), after.credential.environment()) {
        (Some(old), Some(new)) if old != new => Err(SetupError::Token {
            reason: format!(
                "the new API token is of the environment {}, and that of the entry of {}: each one shows only the people of its own \
                 environment",
                new.name(),
                old.name()
            ),
        }),
        _ => Ok(()),
    }
}

fn with_token(document: &Secret, name: &str, token: &Secret) -> Result<Secret, SetupError> {
    let mut edit = DocumentEdit::new(document);
    edit.set(name, "apiToken", Some(token))?;
    Ok(edit.into_document())
}

const OTHER_ACCOUNT: &str = "the old token shows the webhook of the entry and the new one does not: the token belongs to another account of Onfido";
const OLD_TOKEN_FAILS: &str = "the new token does not show the webhook of the entry, and Onfido refuses the old one: nothing shows that both are of one account of Onfido. If you know it, give --any-account";
const NO_PROOF: &str = "the webhook of the entry was deleted at Onfido, and the account has no other one: nothing shows that both \
     tokens are of one account of Onfido. If you know it, give --any-account";
const OAUTH: &str = "the tenant has an OAuth client (`clientId`, `clientSecret`), which an API token would replace; change `clientSecret` \
     in the document";
/// What each step does.
const STEPS: [&str; 3] = [
    "read the entry",
    "try the new API token at Onfido: it must show a webhook that the old one shows",
    "write the API token by check-and-set",
];
