//! The token of an Azure managed identity, from the machine's metadata service.

use std::time::Duration;

use serde::Deserialize;

use kyc_model::Secret;

use crate::source::vault::VaultError;

/// Whom to ask for which token.
#[derive(Clone, Debug)]
pub struct AzureIdentity {
    /// The metadata service; on a machine at Azure `http://169.254.169.254`.
    pub endpoint: String,
    /// For whom the token is; `https://management.azure.com/` unless the role is bound to another audience.
    pub resource: String,
    /// Which of several identities of the machine.
    pub client_id: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
}

// === impl AzureIdentity ===

impl AzureIdentity {
    /// Asks for a token (Microsoft Learn, "How managed identities for Azure resources work with virtual machines").
    pub(super) async fn token(&self, timeout: Duration) -> Result<Secret, VaultError> {
        let failed = |error: reqwest::Error| VaultError::Identity(error.without_url().to_string());
        // The service is on the machine itself; a proxy would give the token away.
        let client = reqwest::Client::builder().no_proxy().timeout(timeout).build().map_err(failed)?;
        let mut query = vec![("api-version", "2018-02-01"), ("resource", self.resource.as_str())];
        if let Some(client_id) = &self.client_id {
            query.push(("client_id", client_id));
        }
        let url = format!("{}/metadata/identity/oauth2/token", self.endpoint.trim_end_matches('/'));
        let answer = client.get(url).query(&query).header("Metadata", "true").send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(VaultError::Identity(format!("it answered {}", answer.status().as_u16())));
        }
        let answer: Answer =
            answer.json().await.map_err(|_| VaultError::Identity("its answer holds no token".to_owned()))?;
        Ok(answer.access_token)
    }
}
