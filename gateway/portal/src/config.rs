//! The section `[portal]`.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use kyc_model::ConfigErrors;
use serde::{Deserialize, Serialize};

/// The section `[portal]`: how portals are called.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortalConfig {
    /// The time for TCP and TLS set-up together; default 3 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// How long a login is used when the portal's response has no lifetime; default 10 min.
    #[serde(with = "humantime_serde")]
    pub login_lifetime: Duration,
    /// What the legacy dialect puts into `Data`; default `event`.
    pub data: DataForm,
    /// A PEM file with certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Networks of portals that are allowed although they are link-local, multicast or a cloud's metadata service.
    pub allow: Vec<IpNet>,
    /// Whether portals on other machines may use `http://`. Passwords and events can then be read on the network; default
    /// `false`.
    pub allow_http: bool,
}

/// What the legacy dialect puts into `Data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DataForm {
    /// The whole notification, as an object.
    Event,
    /// Only the value of its `payload`.
    Payload,
    /// The whole notification, as a JSON string.
    String,
}

// === impl PortalConfig ===

impl PortalConfig {
    /// Checks the values, without reading a file.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all problems, each with its key.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        errors.require(!self.connect.is_zero(), "connect", "must be greater than zero");
        errors.require(!self.login_lifetime.is_zero(), "login_lifetime", "must be greater than zero");
        errors.finish()
    }
}

impl Default for PortalConfig {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            login_lifetime: Duration::from_secs(600),
            data: DataForm::Event,
            ca_file: None,
            allow: Vec::new(),
            allow_http: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use kyc_telemetry::MetricsRegistry;

    use super::*;
    use crate::PortalClient;

    #[test]
    fn all_problems_are_reported_together() {
        let config = PortalConfig {
            connect: Duration::ZERO,
            login_lifetime: Duration::ZERO,
            ..PortalConfig::default()
        };

        let errors = config.check().unwrap_err();

        let keys: Vec<&str> = errors.iter().map(kyc_model::ConfigError::path).collect();
        assert_eq!(keys, ["connect", "login_lifetime"]);
    }

    #[test]
    fn file_without_a_certificate_is_refused() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let config = PortalConfig { ca_file: Some(file.into()), ..PortalConfig::default() };

        let refused = PortalClient::new(&config, &MetricsRegistry::default()).unwrap_err().to_string();

        assert!(
            refused.starts_with("ca_file: ") && refused.ends_with("contains no PEM certificate"),
            "{refused}"
        );
    }
}
