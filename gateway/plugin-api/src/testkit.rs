//! What a plugin's own tests need; no server, no socket.

use std::path::Path;
use std::sync::Arc;

use kyc_model::{
    Dialect, OperationSet, Portal, RequestId, Secret, SubscriptionId, Tenant, TenantName, TenantTable,
    UpstreamBase,
};
use pingora_http::RequestHeader;

use crate::{Build, ConfigError, ConfigErrors, Connection, Ctx, Factory, MetricsRegistry, Plugin, Warnings};

/// Builds a request head.
///
/// # Panics
///
/// When the parts are no valid head.
#[expect(clippy::expect_used, reason = "a test kit stops the test")]
pub fn head(method: &str, target: &str, headers: &[(&'static str, &str)]) -> RequestHeader {
    let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
    let mut head = RequestHeader::build(method, target.as_bytes(), None).expect("a request head");
    for (name, value) in headers {
        head.append_header(*name, *value).expect("a header");
    }
    head
}

/// Builds a context whose snapshot holds `tenants`.
///
/// # Panics
///
/// When two tenants share a key.
#[expect(clippy::expect_used, reason = "a test kit stops the test")]
pub fn ctx(tenants: impl IntoIterator<Item = Tenant>) -> Ctx {
    let mut table = TenantTable::default();
    for tenant in tenants {
        table.insert(Arc::new(tenant)).expect("distinct tenants");
    }
    Ctx::new(RequestId::new(), Connection::default(), Some(Arc::new(table)))
}

/// Builds a tenant called `name` with the subscription id `sub-{name}`, the token `token-{name}`, the
/// webhook id `hook-{name}` and the signing token `sign-{name}`, its Onfido at `base`, its portal at `portal`.
///
/// # Panics
///
/// When a URL is none.
#[expect(clippy::expect_used, reason = "a test kit stops the test")]
pub fn tenant(name: &str, base: &str, portal: &str) -> Tenant {
    Tenant {
        name: TenantName::new(name),
        subscription_id: SubscriptionId::new(format!("sub-{name}")),
        base: Arc::new(UpstreamBase::parse(base).expect("a base URL")),
        authorization: Secret::new(format!("token-{name}")).header_value("Token token=").expect("a token"),
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
        fingerprint: 1,
    }
}

/// Decodes `settings` (TOML) and builds the plugin.
///
/// # Errors
///
/// The problems that the factory found, or one with the text of the decoder.
pub fn build<F: Factory>(settings: &str) -> Result<F::Plugin, ConfigErrors> {
    let config =
        toml::from_str::<F::Config>(settings).map_err(|error| ConfigError::new(error.to_string()))?;
    with_build(|build| F::build(config, build))
}

/// What a factory is given for the route `test`.
pub fn with_build<T>(build: impl FnOnce(&Build<'_>) -> T) -> T {
    let (metrics, warnings) = (MetricsRegistry::default(), Warnings::default());
    let folder = Path::new("");
    build(&Build { route: "test", any_tenant: false, folder, metrics: &metrics, warnings: &warnings })
}

/// Checks what every kind of plugin promises: the sample parses, an unknown key does not, and some phase is
/// declared.
///
/// # Panics
///
/// When the kind breaks a promise.
#[expect(clippy::expect_used, reason = "a test kit stops the test")]
pub fn contract<F: Factory>(sample: &str) {
    let plugin = build::<F>(sample).expect("the sample builds");
    assert!(!plugin.phases().is_empty(), "{} declares no phase", F::KIND);
    let unknown = build::<F>(&format!("no_such_key = 1\n{sample}"));
    assert!(
        unknown.is_err_and(|errors| errors.to_string().contains("no_such_key")),
        "{} takes unknown keys",
        F::KIND
    );
}
