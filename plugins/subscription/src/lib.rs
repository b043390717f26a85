//! `subscription`: finds the tenant of a call, and checks that the caller may act for it.
//!
//! ```toml
//! [[routes.plugins]]
//! plugin = "subscription"
//! header = "SubscriptionId"
//! tenant_from = "header"
//! ```
//!
//! Azure API Management sets the header by policy (`set-header`, `exists-action="override"`); with another action a caller
//! can add a value of its own. Proxies disagree on which of two values counts, so two values, also joined by a comma, are
//! refused with 400. An absent and an unknown value get the same 401. The comparison is exact.
//!
//! The header alone proves nothing: a caller can send any tenant's value. Therefore a tenant's `callers` list who may act for
//! it. Another caller gets the same 401 as for a tenant that does not exist.
//!
//! A tenant without `callers` accepts callers that are authenticated by a shared secret or a network. It refuses a client
//! certificate or a token, because that belongs to one caller and nothing would bind it to one tenant. `any_tenant = true` on
//! the route accepts them.
//!
//! With `tenant_from = "claim:…"` or `"certificate:…"` the caller's own credential names the tenant. The header is then
//! ignored, and is not sent upstream.

mod config;
mod find;
mod plugin;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::Config;
pub use plugin::TenantLookup;

/// The factory of the plugin `subscription`.
#[derive(Debug)]
pub struct Subscription;

impl Factory for Subscription {
    const KIND: &'static str = "subscription";
    type Config = Config;
    type Plugin = TenantLookup;

    fn build(config: Config, build: &Build<'_>) -> Result<TenantLookup, ConfigErrors> {
        TenantLookup::new(&config, build)
    }
}
