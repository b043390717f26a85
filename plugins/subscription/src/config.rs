//! The settings.

use serde::Deserialize;

/// The settings of `subscription`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The header that names the tenant; default `SubscriptionId`.
    pub header: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { header: DEFAULT_HEADER.to_owned() }
    }
}

/// The header of existing deployments.
pub(crate) const DEFAULT_HEADER: &str = "SubscriptionId";
