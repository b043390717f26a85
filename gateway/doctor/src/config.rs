//! The section `[doctor]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use kyc_model::{ConfigErrors, UpstreamBase};
use serde::{Deserialize, Serialize};

/// The section `[doctor]`: when tenants are probed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DoctorConfig {
    /// Whether tenants are probed at start, at intervals, when their entries change, and by `check --live`; default `true`.
    /// Without it only on demand.
    pub enabled: bool,
    /// The longest time between two probes of a tenant; 1 s to 7 days, default 1 h. A tenant with findings is probed at least every
    /// 5 min.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// The number of tenants that are probed at the same time; 1 to 64, default 4.
    pub concurrency: usize,
    /// The time limit of each call of a probe; 100 ms to 60 s, default 5 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How long the same account and password are not sent again after the portal refused them, so that no directory locks the
    /// account; 1 s to 1 day, default 15 min.
    #[serde(with = "humantime_serde")]
    pub refused_login_pause: Duration,
    /// The URL that Onfido's webhooks must have, without the configuration name at its end, such as
    /// `https://gateway.example/dcs/kyc2/webhook/notify`. Absent: only the last two segments of the path are compared, with the
    /// path of the route and the tenant's name.
    pub notification_url: Option<String>,
}

// === impl DoctorConfig ===

impl DoctorConfig {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all problems, each with its key.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        errors.require(INTERVAL.contains(&self.interval), "interval", "must be from 1s to 7days");
        errors.require((1..=64).contains(&self.concurrency), "concurrency", "must be from 1 to 64");
        errors.require(TIMEOUT.contains(&self.timeout), "timeout", "must be from 100ms to 60s");
        errors.require(
            LOGIN_PAUSE.contains(&self.refused_login_pause),
            "refused_login_pause",
            "must be from 1s to 1day",
        );
        errors.require(
            self.notification_url.as_deref().is_none_or(|url| UpstreamBase::parse(url).is_ok()),
            "notification_url",
            "must be a URL such as https://gateway.example/dcs/kyc2/webhook/notify",
        );
        errors.finish()
    }
}

impl Default for DoctorConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(3600),
            concurrency: 4,
            timeout: Duration::from_secs(5),
            refused_login_pause: Duration::from_secs(15 * 60),
            notification_url: None,
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const LOGIN_PAUSE: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused_together() {
        let config = DoctorConfig {
            enabled: true,
            interval: Duration::ZERO,
            concurrency: 65,
            timeout: Duration::from_secs(61),
            refused_login_pause: Duration::ZERO,
            notification_url: Some("gateway.example".to_owned()),
        };

        let errors = config.check().unwrap_err();

        let keys: Vec<&str> = errors.iter().map(kyc_model::ConfigError::path).collect();
        assert_eq!(keys, ["interval", "concurrency", "timeout", "refused_login_pause", "notification_url"]);
    }

    #[test]
    fn defaults_are_in_range() {
        assert_eq!(DoctorConfig::default().check().err().map(|errors| errors.to_string()), None);
    }
}
