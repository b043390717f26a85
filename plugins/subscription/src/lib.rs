//! `subscription`: finds the tenant by its header.
//!
//! ```toml
//! [[routes.plugins]]
//! plugin = "subscription"
//! header = "SubscriptionId"
//! ```
//!
//! Azure API Management sets the header by policy (`set-header`, `exists-action="override"`); with another
//! action a caller can add a value of its own. Proxies disagree on which of two values wins, so two values,
//! also joined by a comma, are refused with 400. Absent and unknown get the same 401. The look-up is exact.

mod config;
mod plugin;

use kyc_plugin_api::{Build, Factory};

pub use config::Config;
pub use plugin::BySubscription;

/// The factory of this kind.
#[derive(Debug)]
pub struct Subscription;

impl Factory for Subscription {
    const KIND: &'static str = "subscription";
    type Config = Config;
    type Plugin = BySubscription;

    fn build(config: Config, _build: &Build<'_>) -> Result<BySubscription, String> {
        BySubscription::try_from(config)
    }
}
