//! webhook: verifies Onfido's notifications and hands them over to the gateway's event store.
//!
//! The checks run in this order: body size, tenant, signature, content type, JSON, event filter. The signature comes
//! before everything that parses the body, so that no parser reads bytes of an unauthenticated sender.
//!
//! The plugin answers 200 in three cases: the event is stored durably; the portal has accepted it
//! (`delivery.mode = "direct"`); or neither `events` of its tenant
//! nor the setting `events` selects its kind, which is counted. Onfido sends a notification again that gets
//! any other status.

mod config;
mod configuration_name;
mod content_type;
mod description;
mod dropped_events;
mod event_filter;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod plugin;
mod signature;
mod signing_tokens;

use kyc_plugin_api::{Build, ConfigErrors, Factory};

pub use config::{Config, OnfidoConfig, SignaturePolicy};
pub use plugin::Notifications;

/// The factory of the plugin `webhook`.
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
