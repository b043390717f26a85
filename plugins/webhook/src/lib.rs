//! webhook: verifies Onfido's notifications and delivers them to the tenant's portal.
//!
//! The order of the checks is size, tenant, signature, content type, JSON, event filter; the answer is 200 only when
//! the event is durable (or with `delivery = "direct"`, when the portal took it), or is one that nobody asked for.

/// A point at which crash trials end the process; nothing at all without the feature `failpoints`.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

mod config;
mod configuration_name;
mod content_type;
mod description;
mod dispatch;
mod event_filter;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod metrics;
mod offline;
mod operate;
mod plugin;
mod signature;
mod signing_tokens;
mod store;
mod stored;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::{Config, Delivery, DispatchConfig, OnfidoConfig, SignaturePolicy, StoreConfig};
pub use plugin::Notifications;

/// The kind `webhook`.
#[derive(Clone, Copy, Debug)]
pub struct Webhook;

// === impl Webhook ===

impl Factory for Webhook {
    const KIND: &'static str = "webhook";
    type Config = Config;
    type Plugin = Notifications;

    fn build(config: Config, build: &Build<'_>) -> Result<Notifications, ConfigErrors> {
        Notifications::new(&config, build)
    }
}
