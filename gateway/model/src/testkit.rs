//! Tenants for tests.

use std::sync::Arc;

use crate::{
    Credential, Dialect, Environments, OAuthClient, OperationSet, Portal, Secret, SubscriptionId, Tenant,
    TenantName, UpstreamBase,
};

/// Builds a tenant called `name` with the subscription id `sub-{name}`, the token `token-{name}`, the
/// webhook id `hook-{name}` and the signing token `sign-{name}`, its Onfido at `base`, its portal at `portal`.
///
/// # Panics
///
/// When `base` or `portal` is not a valid URL.
#[expect(clippy::expect_used, reason = "a test kit stops the test")]
pub fn tenant(name: &str, base: &str, portal: &str) -> Tenant {
    Tenant {
        name: TenantName::new(name),
        subscription_id: SubscriptionId::new(format!("sub-{name}")),
        base: Arc::new(UpstreamBase::parse(base).expect("a base URL")),
        credential: Credential::ApiToken(
            Secret::new(format!("token-{name}")).header_value("Token token=").expect("a token"),
        ),
        webhook_id: Some(format!("hook-{name}")),
        signing_token: Some(Secret::new(format!("sign-{name}"))),
        operations: OperationSet::ALL,
        portal: Portal {
            url: UpstreamBase::parse(portal).expect("a portal URL").url().clone(),
            dialect: Dialect::Legacy,
            action: "FTOS_Onfido_WebHook".to_owned(),
            client_id: Some(Secret::new(format!("client-{name}"))),
            username: Secret::new(format!("user-{name}")),
            password: Secret::new(format!("password-{name}")),
        },
        callers: None,
        events: None,
        environments: Environments::All,
        enrich: false,
        fingerprint: 1,
    }
}

/// Builds the same tenant with the OAuth client `oauth-id-{name}` and `oauth-secret-{name}` in place of the API token.
///
/// # Panics
///
/// As [`tenant`].
pub fn oauth_tenant(name: &str, base: &str, portal: &str) -> Tenant {
    let client = OAuthClient {
        id: Secret::new(format!("oauth-id-{name}")),
        secret: Secret::new(format!("oauth-secret-{name}")),
    };
    Tenant { credential: Credential::OAuth(client), ..tenant(name, base, portal) }
}
