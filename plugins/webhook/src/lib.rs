//! webhook: verifies Onfido's notifications and hands them over to the gateway's event store.
//!
//! The order of the checks is size, tenant, signature, content type, JSON, event filter; the answer is 200 only when
//! the event is durable (or with `delivery.mode = "direct"`, when the portal has taken it), or is one that nobody asked for.

mod config;
mod configuration_name;
mod content_type;
mod description;
mod event_filter;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod plugin;
mod signature;
mod signing_tokens;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::{Config, OnfidoConfig, SignaturePolicy};
pub use plugin::Notifications;

/// The kind `webhook`.
#[derive(Clone, Copy, Debug)]
pub struct Webhook;

// === impl Webhook ===

impl Factory for Webhook {
    const KIND: &'static str = "webhook";
    type Config = Config;
    type Plugin = Notifications;
    const MOVED: &'static [(&'static str, &'static str)] =
        &[("store", "events"), ("dispatch", "delivery"), ("portal", "portal"), ("delivery", "delivery.mode")];

    fn build(config: Config, build: &Build<'_>) -> Result<Notifications, ConfigErrors> {
        Notifications::new(&config, build)
    }
}
