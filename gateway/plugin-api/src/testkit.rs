//! Helpers for the tests of plugins, without a server or a socket.

use std::path::Path;
use std::sync::Arc;

pub use kyc_model::testkit::tenant;
use kyc_model::{RequestId, Tenant, TenantTable};
use pingora_http::RequestHeader;

use crate::{
    Build, ConfigError, ConfigErrors, Connection, Ctx, Factory, HttpClients, MetricsRegistry, Plugin,
    Services, TenantSnapshots, Warnings,
};

/// Builds a request head.
///
/// # Panics
///
/// If the parts are not a valid head.
#[expect(clippy::expect_used, reason = "a test kit stops the test")]
pub fn head(method: &str, target: &str, headers: &[(&'static str, &str)]) -> RequestHeader {
    let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
    let mut head = RequestHeader::build(method, target.as_bytes(), None).expect("a request head");
    for (name, value) in headers {
        head.append_header(*name, *value).expect("a header");
    }
    head
}

/// Builds a context whose snapshot contains `tenants`.
///
/// # Panics
///
/// If two tenants have the same name or subscription id.
#[expect(clippy::expect_used, reason = "a test kit stops the test")]
pub fn ctx(tenants: impl IntoIterator<Item = Tenant>) -> Ctx {
    let mut table = TenantTable::default();
    for tenant in tenants {
        table.insert(Arc::new(tenant)).expect("distinct tenants");
    }
    Ctx::new(RequestId::new(), Connection::default(), Some(Arc::new(table)))
}

/// Decodes `settings` (TOML) and builds the plugin.
///
/// # Errors
///
/// The problems that the factory found, or one with the text of the decoder.
pub fn build<F: Factory>(settings: &str) -> Result<F::Plugin, ConfigErrors> {
    build_with::<F>(settings, &services())
}

/// Decodes `settings` and builds the plugin with `services`.
///
/// # Errors
///
/// As [`build`].
pub fn build_with<F: Factory>(settings: &str, services: &Services) -> Result<F::Plugin, ConfigErrors> {
    let config =
        toml::from_str::<F::Config>(settings).map_err(|error| ConfigError::new(error.to_string()))?;
    with_services(services, |build| F::build(config, build))
}

/// Runs `build` with what a factory gets for the route `test`: no tenants, HTTP clients with the system's authorities, and
/// empty metrics.
pub fn with_build<T>(build: impl FnOnce(&Build<'_>) -> T) -> T {
    with_services(&services(), build)
}

/// Returns the services that every test has: no tenants, and HTTP clients with the system's authorities. A test adds its own.
pub fn services() -> Services {
    let services = Services::default();
    services.offer(Arc::new(TenantSnapshots::new(|| None)));
    services.offer(Arc::new(HttpClients::default()));
    services
}

/// Runs `build` like [`with_build`], with `services`.
pub fn with_services<T>(services: &Services, build: impl FnOnce(&Build<'_>) -> T) -> T {
    let (metrics, warnings) = (MetricsRegistry::default(), Warnings::default());
    let folder = Path::new("");
    build(&Build {
        route: "test",
        any_tenant: false,
        folder,
        metrics: &metrics,
        warnings: &warnings,
        services,
    })
}

/// Checks the contract of every kind of plugin: the sample is accepted, an unknown key is refused, and at least one hook is
/// implemented.
///
/// # Panics
///
/// If the kind breaks the contract.
pub fn contract<F: Factory>(sample: &str) {
    contract_with::<F>(sample, &services());
}

/// Checks the contract like [`contract`], with the `services` that the kind needs.
///
/// # Panics
///
/// As [`contract`].
#[expect(clippy::expect_used, reason = "a test kit stops the test")]
pub fn contract_with<F: Factory>(sample: &str, services: &Services) {
    let plugin = build_with::<F>(sample, services).expect("the sample builds");
    assert!(!plugin.phases().is_empty(), "{} implements no hook", F::KIND);
    let unknown = build_with::<F>(&format!("no_such_key = 1\n{sample}"), services);
    assert!(
        unknown.is_err_and(|errors| errors.to_string().contains("no_such_key")),
        "{} accepts unknown keys",
        F::KIND
    );
}
