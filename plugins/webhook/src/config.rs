//! The settings of the plugin `webhook`.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use kyc_plugin_api::ConfigErrors;
use serde::Deserialize;

/// The settings of the plugin `webhook`; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether the signature of a notification is verified; default `required`.
    pub signature: SignaturePolicy,
    /// Confirms `signature = "off"`. Without this confirmation the configuration is refused; default `false`.
    pub allow_unsigned: bool,
    /// The values of `payload.action` that are delivered for tenants without a map of their own, `*` for all; default
    /// `report.completed`. Notifications with another action are answered 200 and discarded.
    pub events: Vec<String>,
    /// The largest body of a notification; default 64 KiB.
    pub max_body: ByteSize,
    /// The time from the request head to the response, including the fetch of the signing token, the login at the portal
    /// and the delivery; more than zero, less than 10 s; default 9 s, because Onfido waits 10 s.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// How the gateway fetches signing tokens from Onfido's API.
    pub onfido: OnfidoConfig,
}

/// Whether the signature of a notification is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignaturePolicy {
    /// A request without a valid `X-SHA2-Signature` is refused.
    Required,
    /// No signature is verified: anyone who knows a configuration name can post events.
    Off,
}

/// The settings of the section `onfido`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnfidoConfig {
    /// The time limit for the TCP connection and the TLS handshake together; default 3 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// A PEM file with certificate authorities to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the gateway may call Onfido's API on another machine without TLS, such as a simulator; default `false`.
    pub allow_http: bool,
}

// === impl Config ===

impl Config {
    /// Checks that the values are within their ranges.
    ///
    /// # Errors
    ///
    /// Every value that is out of range, with its key.
    pub(crate) fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        errors.require(
            self.signature == SignaturePolicy::Required || self.allow_unsigned,
            "signature",
            "\"off\" lets anyone post events; confirm it with allow_unsigned = true",
        );
        errors.require(!self.events.is_empty(), "events", "must name at least one action, or \"*\"");
        errors.require(!self.events.iter().any(String::is_empty), "events", "must not contain an empty name");
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

/// Onfido expects a response within 10 seconds (Onfido API v3.6, description of the webhook callback).
const ONFIDO_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
pub(crate) mod tests;
