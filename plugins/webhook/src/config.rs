//! The settings of the kind `webhook`.

mod stored;

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use kyc_plugin_api::{ConfigError, ConfigErrors};
use kyc_portal::PortalConfig;
use serde::Deserialize;

pub use stored::{DispatchConfig, StoreConfig};

/// What may stand beside `plugin = "webhook"`; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether a notification must be signed; default `required`.
    pub signature: SignaturePolicy,
    /// Confirms `signature = "off"`, which is refused without it; default `false`.
    pub allow_unsigned: bool,
    /// The actions that are delivered, `*` for all; default `report.completed`. Others are answered 200.
    pub events: Vec<String>,
    /// The largest notification; default 64 KiB.
    pub max_body: ByteSize,
    /// From the request head to the answer, signing token, login and delivery included; default 9 s, because
    /// Onfido waits 10 s.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// How an event reaches the portal; default `stored`.
    pub delivery: Delivery,
    /// Where events are kept with `delivery = "stored"`.
    pub store: StoreConfig,
    /// How stored events are delivered.
    pub dispatch: DispatchConfig,
    /// How portals are spoken to.
    pub portal: PortalConfig,
    /// How Onfido is asked for signing tokens.
    pub onfido: OnfidoConfig,
}

/// Whether a notification must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignaturePolicy {
    /// `X-SHA2-Signature` must be there and right.
    Required,
    /// Nothing is verified: whoever knows a configuration name can post events.
    Off,
}

/// How an event reaches the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// Before the answer: 200 means that the portal took it.
    Direct,
    /// After the answer: 200 means that the event is durable, and it is delivered until the portal took it.
    Stored,
}

/// The settings below `onfido`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnfidoConfig {
    /// PEM certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether Onfido's API may be another machine without TLS, such as a simulated one; default `false`.
    pub allow_http: bool,
}

// === impl Config ===

impl Config {
    /// Lists what is wrong with the settings.
    pub(crate) fn problems(&self) -> ConfigErrors {
        let rules = [
            (
                self.signature == SignaturePolicy::Off && !self.allow_unsigned,
                "signature: \"off\" lets anyone post events, so it needs allow_unsigned = true beside it",
            ),
            (self.events.is_empty(), "events: must name at least one action, or \"*\""),
            (self.events.iter().any(String::is_empty), "events: must not hold an empty name"),
            (self.max_body.as_u64() == 0, "max_body: must be greater than zero"),
            (
                self.deadline.is_zero() || self.deadline >= ONFIDO_PATIENCE,
                "deadline: must be greater than zero and less than 10s, the time that Onfido waits",
            ),
            (self.portal.connect.is_zero(), "portal.connect: must be greater than zero"),
            (self.portal.login_lifetime.is_zero(), "portal.login_lifetime: must be greater than zero"),
        ];
        let own = rules.into_iter().filter_map(|(broken, text)| broken.then_some(text));
        let texts = own.chain(self.store.problems()).chain(self.dispatch.problems());
        let error = |(path, reason)| ConfigError::at(path, reason);
        texts.filter_map(|text: &str| text.split_once(": ")).map(error).collect()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            signature: SignaturePolicy::Required,
            allow_unsigned: false,
            events: vec!["report.completed".to_owned()],
            max_body: ByteSize::kib(64),
            deadline: Duration::from_secs(9),
            delivery: Delivery::Stored,
            store: StoreConfig::default(),
            dispatch: DispatchConfig::default(),
            portal: PortalConfig::default(),
            onfido: OnfidoConfig::default(),
        }
    }
}

/// Onfido's description of the webhook callback asks for an answer within 10 seconds (API v3.6).
const ONFIDO_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
