//! The settings.

use serde::Deserialize;

/// The settings of `rate-limit`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many requests a tenant may make in a minute; greater than zero.
    pub requests_per_minute: u32,
    /// How many of them at once; greater than zero, default all.
    pub burst: Option<u32>,
}
