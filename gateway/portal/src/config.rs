//! How portals are called.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

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
    /// Networks that portals may be in although they are link-local, multicast or hold a cloud's metadata service.
    pub allow: Vec<IpNet>,
    /// Whether portals may be other machines without TLS, where passwords and events can be read on the way; default
    /// `false`.
    pub allow_http: bool,
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

// === impl PortalConfig ===

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
