//! The access tokens of one tenant, as the credential of its calls.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;
use kyc_model::{Credential, Tenant};
use kyc_onfido_client::AccessTokens;
use kyc_plugin_api::{CredentialSource, Problem, UpstreamCredential};

/// The tokens of the tenant as it was when the request began.
struct TenantToken {
    tokens: AccessTokens,
    tenant: Arc<Tenant>,
}

/// Returns the credential of a tenant's calls: its API token as it is, or the source of its access tokens.
pub(crate) fn credential(tenant: &Arc<Tenant>, tokens: &AccessTokens) -> UpstreamCredential {
    match &tenant.credential {
        Credential::ApiToken(authorization) => UpstreamCredential::Ready(authorization.clone()),
        Credential::OAuth(_) => {
            let source = TenantToken { tokens: tokens.clone(), tenant: Arc::clone(tenant) };
            UpstreamCredential::Source(Arc::new(source))
        }
    }
}

// === impl TenantToken ===

#[async_trait]
impl CredentialSource for TenantToken {
    fn ready(&self) -> Option<HeaderValue> {
        self.tokens.ready(&self.tenant)
    }

    async fn value(&self) -> Result<HeaderValue, Problem> {
        Ok(self.tokens.authorization(&self.tenant).await?)
    }

    fn refused(&self, value: &HeaderValue) {
        self.tokens.refused(&self.tenant, value);
    }
}
