//! The section `[delivery]`.

use std::path::PathBuf;
use std::time::Duration;

use kyc_model::ConfigErrors;
use serde::{Deserialize, Serialize};

/// The section `[delivery]`: how stored events are delivered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryConfig {
    /// Whether Onfido is answered before or after the delivery; default `stored`.
    pub mode: Mode,
    /// How long an event waits after its first, second, … failed attempt; the last time repeats. Jitter makes each wait up
    /// to a fifth longer. Default 2 s to 4 h in twelve steps.
    #[serde(with = "durations")]
    pub schedule: Vec<Duration>,
    /// The age at which an event becomes dead; default 7 days.
    #[serde(with = "humantime_serde")]
    pub give_up: Duration,
    /// The timeout of one attempt, login included; default 30 s.
    #[serde(with = "humantime_serde")]
    pub attempt: Duration,
    /// In PostgreSQL: how long an event belongs to the gateway that sends it; absent: `attempt` plus 30 s to record the result.
    #[serde(with = "humantime_serde")]
    pub lease: Option<Duration>,
    /// Limit of concurrent attempts per tenant; default 8. Two while its portal has not answered for a minute.
    pub in_flight: usize,
    /// Limit of concurrent attempts in total; default 512. Half of them are reserved for first attempts. A tenant with no
    /// attempt in flight may always start one.
    pub total_in_flight: usize,
    /// How long after five failures in a row the first probe is sent, one login or one event; the wait doubles after each
    /// failed probe; default 2 s.
    #[serde(with = "humantime_serde")]
    pub breaker_open: Duration,
    /// The longest wait between two probes, and so the delay until recovery is detected; default 15 s.
    #[serde(with = "humantime_serde")]
    pub breaker_longest: Duration,
    /// How long after a refused login the same account and password are sent again, doubling up to 15 min, so that no
    /// directory locks the account; default 1 min. A changed entry of the tenant document is probed at once.
    #[serde(with = "humantime_serde")]
    pub login_probe: Duration,
    /// How resources are looked up at Onfido, for tenants with `environments` or `enrich`.
    pub lookup: LookupConfig,
}

/// How the gateway looks up resources at Onfido.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LookupConfig {
    /// The time for all look-ups of one delivery; more than zero, 30 s at most; default 3 s. The attempt includes it, and it
    /// takes at most half of the attempt.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The time for TCP and TLS set-up together; default 3 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// A PEM file with certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the gateway may call Onfido's API on another machine without TLS, such as a simulator; default `false`.
    pub allow_http: bool,
}

/// Whether Onfido is answered before or after the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Before it: 200 means that the event is durable, and it is delivered until the portal has taken it.
    Stored,
    /// After it: 200 means that the portal has taken the event. Nothing is stored; when a portal is down, only Onfido's
    /// own retries deliver the event later.
    Direct,
}

// === impl DeliveryConfig ===

impl DeliveryConfig {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all problems, each with its key.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        errors.require(!self.schedule.is_empty(), "schedule", "must hold at least one time");
        errors.require(!self.attempt.is_zero(), "attempt", "must be greater than zero");
        errors.require(
            self.lease.is_none_or(|lease| lease > self.attempt),
            "lease",
            "must be longer than delivery.attempt",
        );
        errors.require(self.in_flight > 0, "in_flight", "must be greater than zero");
        errors.require(self.total_in_flight > 0, "total_in_flight", "must be greater than zero");
        let lookup = self.lookup.timeout;
        errors.require(
            !lookup.is_zero() && lookup <= LONGEST_LOOKUP,
            "lookup.timeout",
            "must be greater than zero and at most 30s",
        );
        errors.require(!self.lookup.connect.is_zero(), "lookup.connect", "must be greater than zero");
        errors.finish()
    }

    /// Returns the time for all look-ups of one delivery: at most half an attempt, which leaves the portal the other half.
    pub(crate) fn lookup_time(&self) -> Duration {
        self.lookup.timeout.min(self.attempt / 2)
    }

    /// Returns how long an event belongs to the gateway that has claimed it.
    pub fn lease(&self) -> Duration {
        self.lease.unwrap_or(self.attempt.saturating_add(RECORD))
    }
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        let seconds = [2, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400];
        Self {
            mode: Mode::Stored,
            schedule: seconds.map(Duration::from_secs).to_vec(),
            give_up: Duration::from_secs(7 * 24 * 3600),
            attempt: Duration::from_secs(30),
            lease: None,
            in_flight: 8,
            total_in_flight: 512,
            breaker_open: Duration::from_secs(2),
            breaker_longest: Duration::from_secs(15),
            login_probe: Duration::from_secs(60),
            lookup: LookupConfig::default(),
        }
    }
}

// === impl LookupConfig ===

impl Default for LookupConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3),
            connect: Duration::from_secs(3),
            ca_file: None,
            allow_http: false,
        }
    }
}

/// A list of durations, each with its unit.
mod durations {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize, Serialize)]
    struct Wait(#[serde(with = "humantime_serde")] Duration);

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Duration>, D::Error> {
        Ok(Vec::<Wait>::deserialize(input)?.into_iter().map(|wait| wait.0).collect())
    }

    pub(super) fn serialize<S: Serializer>(waits: &[Duration], output: S) -> Result<S::Ok, S::Error> {
        output.collect_seq(waits.iter().copied().map(Wait))
    }
}

/// Time reserved in the lease for recording an attempt.
const RECORD: Duration = Duration::from_secs(30);
/// The longest time for the look-ups of one delivery.
const LONGEST_LOOKUP: Duration = Duration::from_secs(30);
