//! The settings.

use std::time::Duration;

use serde::Deserialize;

/// The settings of `rate-limit`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many requests a tenant may make in a minute; greater than zero.
    pub requests_per_minute: u32,
    /// How many of them at once; greater than zero, default all.
    pub burst: Option<u32>,
    /// How long a request may wait for its turn; default: not at all, it is refused.
    #[serde(default, with = "humantime_serde")]
    pub wait: Option<Duration>,
}
