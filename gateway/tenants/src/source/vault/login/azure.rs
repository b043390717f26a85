//! The token of an Azure managed identity, from the machine's metadata service.

use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};

use kyc_http_client::{Cleartext, ClientSettings, Trust, read_whole, root_cause};
use kyc_model::Secret;

use crate::source::vault::VaultError;
use crate::source::vault::connection::setting;

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
    /// Checks that the token does not travel in the clear; the machine's own link counts as the machine.
    pub(super) fn check(&self, cleartext: Cleartext) -> Result<(), VaultError> {
        let url = Url::parse(&self.endpoint).map_err(|error| setting(ENDPOINT, error.to_string()))?;
        match url.host() {
            Some(Host::Ipv4(address)) if address.is_link_local() => Ok(()),
            _ => cleartext.check(&url).map_err(|problem| setting(ENDPOINT, problem.to_string())),
        }
    }

    /// Asks for a token (Microsoft Learn, "How managed identities for Azure resources work with virtual machines").
    pub(super) async fn token(&self, timeout: Duration) -> Result<Secret, VaultError> {
        let failed = |error: reqwest::Error| VaultError::Identity(root_cause(&error.without_url()));
        let trust = if self.endpoint.starts_with("http://") { Trust::Nobody } else { Trust::System };
        let settings = ClientSettings { whole: Some(timeout), ..ClientSettings::new(timeout, trust) };
        let client = settings.build().map_err(|error| VaultError::Identity(error.to_string()))?;
        let mut query = vec![("api-version", "2018-02-01"), ("resource", self.resource.as_str())];
        if let Some(client_id) = &self.client_id {
            query.push(("client_id", client_id));
        }
        let url = format!("{}/metadata/identity/oauth2/token", self.endpoint.trim_end_matches('/'));
        let answer = client.get(url).query(&query).header("Metadata", "true").send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(VaultError::Identity(format!("it answered {}", answer.status().as_u16())));
        }
        let body = read_whole(answer, ANSWER_LIMIT)
            .await
            .map_err(|error| VaultError::Identity(error.to_string()))?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| VaultError::Identity("its answer holds no token".to_owned()))?;
        Ok(answer.access_token)
    }
}

const ENDPOINT: &str = "azure_endpoint";
/// A token has a few KiB.
const ANSWER_LIMIT: usize = 1024 * 1024;
