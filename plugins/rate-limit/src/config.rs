//! The settings of the plugin `rate-limit`.

use std::num::NonZeroU32;
use std::time::Duration;

use kyc_plugin_api::ConfigErrors;
use serde::Deserialize;

/// The settings of the plugin `rate-limit`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Requests of one tenant per minute; greater than zero.
    pub requests_per_minute: u32,
    /// Requests of one tenant in a burst; greater than zero, default `requests_per_minute`.
    pub burst: Option<u32>,
    /// The longest time that a request over the limit is queued; more than zero, at most 5 minutes. By default such a
    /// request is refused at once.
    #[serde(default, with = "humantime_serde")]
    pub wait: Option<Duration>,
}

/// The rate and the burst of one tenant, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotas {
    /// Requests per minute.
    pub(crate) rate: NonZeroU32,
    /// Requests in a burst.
    pub(crate) burst: NonZeroU32,
}

// === impl Config ===

impl Config {
    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Every setting that is out of range.
    pub(crate) fn quotas(&self) -> Result<Quotas, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let rate = NonZeroU32::new(self.requests_per_minute);
        let burst = self.burst.map_or(rate, NonZeroU32::new);
        errors.require(rate.is_some(), "requests_per_minute", "must be greater than zero");
        errors.require(burst.is_some() || self.burst.is_none(), "burst", "must be greater than zero");
        let is_in_range = self.wait.is_none_or(|wait| !wait.is_zero() && wait <= LONGEST_WAIT);
        errors.require(is_in_range, "wait", "must be longer than zero, and at most 5 minutes");
        match (rate, burst) {
            (Some(rate), Some(burst)) if errors.is_empty() => Ok(Quotas { rate, burst }),
            _ => Err(errors),
        }
    }
}

/// No caller waits longer for a response; a longer queue would only hold connections.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
