//! The settings of the kind `webhook`.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use kyc_plugin_api::ConfigErrors;
use serde::Deserialize;

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

/// The settings below `onfido`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnfidoConfig {
    /// TCP and TLS set-up together; default 3 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// PEM certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether Onfido's API may be another machine without TLS, such as a simulated one; default `false`.
    pub allow_http: bool,
}

// === impl Config ===

impl Config {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// All problems, by key.
    pub(crate) fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        errors.require(
            self.signature == SignaturePolicy::Required || self.allow_unsigned,
            "signature",
            "\"off\" lets anyone post events, so it needs allow_unsigned = true beside it",
        );
        errors.require(!self.events.is_empty(), "events", "must name at least one action, or \"*\"");
        errors.require(!self.events.iter().any(String::is_empty), "events", "must not hold an empty name");
        errors.require(self.max_body.as_u64() > 0, "max_body", "must be greater than zero");
        errors.require(
            !self.deadline.is_zero() && self.deadline < ONFIDO_TIMEOUT,
            "deadline",
            "must be greater than zero and less than 10s, the time that Onfido waits",
        );
        errors.require(!self.onfido.connect.is_zero(), "onfido.connect", "must be greater than zero");
        errors.finish()
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
            onfido: OnfidoConfig::default(),
        }
    }
}

// === impl OnfidoConfig ===

impl Default for OnfidoConfig {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), ca_file: None, allow_http: false }
    }
}

/// Onfido's description of the webhook callback asks for an answer within 10 seconds (API v3.6).
const ONFIDO_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
pub(crate) mod tests;
