//! The settings of the kind `webhook`.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer};

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
    /// Where events are kept with `delivery = "stored"`.
    pub store: StoreConfig,
    /// How stored events are delivered.
    pub dispatch: DispatchConfig,
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
    /// After the answer: 200 means that the event is durable, and it is delivered until the portal took it.
    Stored,
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

/// The settings below `store`. Without a key one is made together with the store, in the file `PATH.key`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// A file with the address of a PostgreSQL database, where several gateways share the work; absent: SQLite.
    pub postgres_file: Option<PathBuf>,
    /// The same, as an environment variable.
    pub postgres_env: Option<String>,
    /// The SQLite file; default `data/events.db`.
    pub path: PathBuf,
    /// How large it may become before notifications are answered 503; default 10 GiB.
    pub max_size: ByteSize,
    /// How long delivered events are kept; default 7 days.
    #[serde(with = "humantime_serde")]
    pub keep_delivered: Duration,
    /// The key that bodies are sealed with, 64 hexadecimal digits.
    pub key_file: Option<PathBuf>,
    /// The same, as an environment variable.
    pub key_env: Option<String>,
    /// The key before that, which still opens bodies.
    pub previous_key_file: Option<PathBuf>,
    /// The same, as an environment variable.
    pub previous_key_env: Option<String>,
}

/// The settings below `dispatch`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DispatchConfig {
    /// How long an event waits after its first, second, … failed try; the last time repeats. Each wait is up to a
    /// fifth longer. Default 2 s to 4 h in twelve steps.
    #[serde(deserialize_with = "durations")]
    pub schedule: Vec<Duration>,
    /// The age at which an event is given up; default 7 days.
    #[serde(with = "humantime_serde")]
    pub give_up: Duration,
    /// The whole time for one try, login included; default 30 s.
    #[serde(with = "humantime_serde")]
    pub attempt: Duration,
    /// Events of one tenant that are sent at a time; default 8.
    pub in_flight: usize,
    /// Events of all tenants that are sent at a time; default 64. Half of the places are for first tries.
    pub total_in_flight: usize,
    /// How long a portal is left alone after five failures in a row, doubling; default 5 s.
    #[serde(with = "humantime_serde")]
    pub breaker_open: Duration,
    /// The longest that it is left alone; default 5 min.
    #[serde(with = "humantime_serde")]
    pub breaker_longest: Duration,
    /// How long an account that is refused is left alone, doubling up to 15 min; default 1 min.
    #[serde(with = "humantime_serde")]
    pub login_probe: Duration,
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
            (self.store.max_size < ByteSize::mib(1), "store.max_size: must be at least 1 MiB"),
            (
                self.store.key_file.is_some() && self.store.key_env.is_some(),
                "store.key_file: takes only one of key_file and key_env",
            ),
            (
                self.store.postgres_file.is_some() && self.store.postgres_env.is_some(),
                "store.postgres_file: takes only one of postgres_file and postgres_env",
            ),
            (
                (self.store.postgres_file.is_some() || self.store.postgres_env.is_some())
                    && self.store.key_file.is_none()
                    && self.store.key_env.is_none(),
                "store.key_file: a database that is shared needs a key that is, here or as key_env",
            ),
            (
                self.store.previous_key_file.is_some() && self.store.previous_key_env.is_some(),
                "store.previous_key_file: takes only one of previous_key_file and previous_key_env",
            ),
            (self.dispatch.schedule.is_empty(), "dispatch.schedule: must hold at least one time"),
            (self.dispatch.attempt.is_zero(), "dispatch.attempt: must be greater than zero"),
            (self.dispatch.in_flight == 0, "dispatch.in_flight: must be greater than zero"),
            (self.dispatch.total_in_flight == 0, "dispatch.total_in_flight: must be greater than zero"),
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
            store: StoreConfig::default(),
            dispatch: DispatchConfig::default(),
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

// === impl StoreConfig ===

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            postgres_file: None,
            postgres_env: None,
            path: PathBuf::from("data/events.db"),
            max_size: ByteSize::gib(10),
            keep_delivered: Duration::from_secs(7 * 24 * 3600),
            key_file: None,
            key_env: None,
            previous_key_file: None,
            previous_key_env: None,
        }
    }
}

// === impl DispatchConfig ===

impl Default for DispatchConfig {
    fn default() -> Self {
        let seconds = [2, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400];
        Self {
            schedule: seconds.map(Duration::from_secs).to_vec(),
            give_up: Duration::from_secs(7 * 24 * 3600),
            attempt: Duration::from_secs(30),
            in_flight: 8,
            total_in_flight: 64,
            breaker_open: Duration::from_secs(5),
            breaker_longest: Duration::from_secs(300),
            login_probe: Duration::from_secs(60),
        }
    }
}

fn durations<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Duration>, D::Error> {
    #[derive(Deserialize)]
    struct Wait(#[serde(with = "humantime_serde")] Duration);
    Ok(Vec::<Wait>::deserialize(input)?.into_iter().map(|wait| wait.0).collect())
}

/// Onfido's description of the webhook callback asks for an answer within 10 seconds (API v3.6).
const ONFIDO_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
