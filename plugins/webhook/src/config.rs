//! The settings of the kind `webhook`.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
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
    /// The largest notification; default 1 MiB.
    pub max_body: ByteSize,
    /// From the request head to the answer, signing token, login and delivery included; default 9 s, because
    /// Onfido waits 10 s.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// How an event reaches the portal; default `direct`.
    pub delivery: Delivery,
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
}

/// The settings below `portal`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortalConfig {
    /// TCP and TLS set-up together; default 3 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// How long a login is used when the portal does not say; default 10 min.
    #[serde(with = "humantime_serde")]
    pub login_lifetime: Duration,
    /// What the legacy dialect puts into `Data`; default `event`.
    pub data: DataForm,
    /// PEM certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// What the legacy dialect puts into `Data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataForm {
    /// The whole notification, as an object.
    Event,
    /// Only what its `payload` holds.
    Payload,
    /// The whole notification, as a JSON string.
    String,
}

/// The settings below `onfido`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnfidoConfig {
    /// PEM certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

// === impl Config ===

impl Config {
    /// Lists what is wrong with the settings, each as `key: reason`.
    pub(crate) fn problems(&self) -> Vec<&'static str> {
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
        rules.into_iter().filter_map(|(broken, text)| broken.then_some(text)).collect()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            signature: SignaturePolicy::Required,
            allow_unsigned: false,
            events: vec!["report.completed".to_owned()],
            max_body: ByteSize::mib(1),
            deadline: Duration::from_secs(9),
            delivery: Delivery::Direct,
            portal: PortalConfig::default(),
            onfido: OnfidoConfig::default(),
        }
    }
}

// === impl PortalConfig ===

impl Default for PortalConfig {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            login_lifetime: Duration::from_secs(600),
            data: DataForm::Event,
            ca_file: None,
        }
    }
}

/// Onfido's description of the webhook callback asks for an answer within 10 seconds (API v3.6).
const ONFIDO_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use kyc_plugin_api::testkit::{build, contract};

    use crate::Webhook;

    #[test]
    fn kind_keeps_the_plugin_contract() {
        let _ = rustls::crypto::ring::default_provider().install_default();

        contract::<Webhook>("");
        contract::<Webhook>(
            "signature = \"off\"\nallow_unsigned = true\nevents = [\"*\"]\nmax_body = \"64KiB\"\n\
             deadline = \"2500ms\"\ndelivery = \"direct\"\nonfido = {}\n\
             portal = { connect = \"1s\", login_lifetime = \"5m\", data = \"string\" }",
        );
    }

    #[test]
    fn signature_off_needs_allow_unsigned() {
        let refused = build::<Webhook>("signature = \"off\"").err().unwrap();

        assert!(refused.starts_with("signature: "), "{refused}");
    }

    #[test]
    fn all_problems_are_reported_together() {
        let refused = build::<Webhook>(
            "events = []\nmax_body = 0\ndeadline = \"10s\"\nportal = { connect = \"0s\", login_lifetime = \"0s\" }",
        )
        .err()
        .unwrap();

        for key in ["events: ", "max_body: ", "deadline: ", "portal.connect: ", "portal.login_lifetime: "] {
            assert!(refused.contains(key), "{key} is missing in {refused}");
        }
    }

    #[test]
    fn unreadable_certificate_file_is_named() {
        let refused = build::<Webhook>("onfido = { ca_file = \"/no/such.pem\" }").err().unwrap();

        assert_eq!(refused, "onfido.ca_file: cannot read /no/such.pem");
    }

    #[test]
    fn file_without_a_certificate_is_refused() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

        let refused = build::<Webhook>(&format!("portal = {{ ca_file = {file:?} }}")).err().unwrap();

        assert!(
            refused.starts_with("portal.ca_file: ") && refused.ends_with("holds no PEM certificate"),
            "{refused}"
        );
    }
}
