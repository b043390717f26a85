//! The section `[reconciliation]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use kyc_model::ConfigErrors;
use serde::{Deserialize, Serialize};

/// The section `[reconciliation]`: when results are looked up that were never notified.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconciliationConfig {
    /// Whether overdue results are looked up at Onfido; default `true`. Checks are noted in any case (`ledger` of the plugin
    /// `onfido`).
    pub enabled: bool,
    /// The time from the start of a check until its result is overdue; 1 s to 7 days, default 15 min. Onfido completes most checks
    /// in less than 5 min.
    #[serde(with = "humantime_serde")]
    pub overdue: Duration,
    /// How long a check without a result is looked up, and given up after at least eight look-ups that Onfido answered; longer than
    /// `overdue`, at most 400 days, default 30 days.
    #[serde(with = "humantime_serde")]
    pub give_up: Duration,
    /// The largest number of look-ups for one tenant in a minute; 1 to 400, default 40. Onfido allows an account 400 calls in a
    /// minute, of which most must be left to the callers.
    pub calls_per_minute: u32,
    /// The time limit of each call to Onfido; 100 ms to 60 s, default 5 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

// === impl ReconciliationConfig ===

impl ReconciliationConfig {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all problems, each with its key.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        errors.require(OVERDUE.contains(&self.overdue), "overdue", "must be from 1s to 7days");
        let is_later = self.give_up > self.overdue && self.give_up <= LONGEST_GIVE_UP;
        errors.require(is_later, "give_up", "must be longer than overdue, and at most 400days");
        let is_allowed = (1..=ONFIDOS_LIMIT).contains(&self.calls_per_minute);
        errors.require(is_allowed, "calls_per_minute", "must be from 1 to 400");
        errors.require(TIMEOUT.contains(&self.timeout), "timeout", "must be from 100ms to 60s");
        errors.finish()
    }
}

impl Default for ReconciliationConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            overdue: Duration::from_secs(15 * 60),
            give_up: 30 * DAY,
            calls_per_minute: 40,
            timeout: Duration::from_secs(5),
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const OVERDUE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const LONGEST_GIVE_UP: Duration = Duration::from_secs(400 * 24 * 3600);
/// The calls that Onfido allows an account in a minute.
const ONFIDOS_LIMIT: u32 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused_together() {
        let config = ReconciliationConfig {
            enabled: true,
            overdue: Duration::ZERO,
            give_up: Duration::ZERO,
            calls_per_minute: 401,
            timeout: Duration::ZERO,
        };

        let errors = config.check().unwrap_err();

        let keys: Vec<&str> = errors.iter().map(kyc_model::ConfigError::path).collect();
        assert_eq!(keys, ["overdue", "give_up", "calls_per_minute", "timeout"]);
    }

    #[test]
    fn defaults_are_in_range() {
        assert_eq!(ReconciliationConfig::default().check().err().map(|errors| errors.to_string()), None);
    }
}
