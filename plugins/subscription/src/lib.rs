//! `subscription`: finds the tenant of a call, and lets only its callers act for it.
//!
//! ```toml
//! [[routes.plugins]]
//! plugin = "subscription"
//! header = "SubscriptionId"
//! tenant_from = "header"
//! ```
//!
//! Azure API Management sets the header by policy (`set-header`, `exists-action="override"`); with another
//! action a caller can add a value of its own. Proxies disagree on which of two values wins, so two values,
//! also joined by a comma, are refused with 400. Absent and unknown get the same 401. The look-up is exact.
//!
//! The header alone proves nothing: a caller can write any tenant's. So a tenant's `callers` name who may act for it, and
//! whoever is none of them gets the same 401 as for a tenant that does not exist. A tenant that names nobody is served to
//! callers who share a secret or a network, as before; but a certificate or a token belongs to one caller, and then
//! nothing would bind it to one tenant: it is refused, unless the route says `any_tenant = true`.
//!
//! With `tenant_from = "claim:…"` or `"certificate:…"` the caller's own credential names the tenant. The header means
//! nothing then, and does not go on.

mod config;
mod find;
mod plugin;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::Config;
pub use plugin::BySubscription;

/// The factory of this kind.
#[derive(Debug)]
pub struct Subscription;

impl Factory for Subscription {
    const KIND: &'static str = "subscription";
    type Config = Config;
    type Plugin = BySubscription;

    fn build(config: Config, build: &Build<'_>) -> Result<BySubscription, ConfigErrors> {
        BySubscription::new(&config, build)
    }
}
