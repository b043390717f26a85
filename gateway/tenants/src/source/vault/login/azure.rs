//! Fetches the token of an Azure managed identity from the machine's metadata service.

use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};

use kyc_http_client::{Cleartext, ClientSettings, Trust, read_whole, root_cause};
use kyc_model::Secret;

use crate::source::vault::VaultError;
use crate::source::vault::connection::setting;

/// The metadata service, and the token to fetch from it.
#[derive(Clone, Debug)]
pub struct AzureIdentity {
    /// The URL of the metadata service; on Azure machines `http://169.254.169.254`.
    pub endpoint: String,
    /// The audience of the token; `https://management.azure.com/` unless the Vault role is bound to another one.
    pub resource: String,
    /// The client id of the identity, if the machine has several.
    pub client_id: Option<String>,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: Secret,
}

// === impl AzureIdentity ===

impl AzureIdentity {
    /// Checks that the token is not sent over a network without TLS. A link-local address counts as this machine, because the
    /// metadata service has one and no TLS.
    pub(super) fn check(&self, cleartext: Cleartext) -> Result<(), VaultError> {
        let url = Url::parse(&self.endpoint).map_err(|error| setting(ENDPOINT, error.to_string()))?;
        match url.host() {
            Some(Host::Ipv4(address)) if address.is_link_local() => Ok(()),
            _ => cleartext.check(&url).map_err(|problem| setting(ENDPOINT, problem.to_string())),
        }
    }

    /// Fetches a token (Microsoft Learn, "How managed identities for Azure resources work with virtual machines").
    pub(super) async fn fetch_token(&self, timeout: Duration) -> Result<Secret, VaultError> {
        let failed = |error: reqwest::Error| VaultError::Identity(root_cause(&error.without_url()));
        let trust = if self.endpoint.starts_with("http://") { Trust::Nobody } else { Trust::System };
        let settings = ClientSettings { whole: Some(timeout), ..ClientSettings::new(timeout, trust) };
        let client = settings.build().map_err(|error| VaultError::Identity(error.to_string()))?;
        let mut query = vec![("api-version", "2018-02-01"), ("resource", self.resource.as_str())];
        if let Some(client_id) = &self.client_id {
            query.push(("client_id", client_id));
        }
        let url = format!("{}/metadata/identity/oauth2/token", self.endpoint.trim_end_matches('/'));
        let response =
            client.get(url).query(&query).header("Metadata", "true").send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(VaultError::Identity(format!(
                "it answered with status {}",
                response.status().as_u16()
            )));
        }
        let body = read_whole(response, MAX_RESPONSE_BYTES)
            .await
            .map_err(|error| VaultError::Identity(error.to_string()))?;
        let response: TokenResponse = serde_json::from_slice(&body)
            .map_err(|_| VaultError::Identity("its response contains no token".to_owned()))?;
        Ok(response.access_token)
    }
}

const ENDPOINT: &str = "azure_endpoint";
/// A token has a few KiB.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;
