//! The settings of storing and of delivering what is stored.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer};

use crate::store::Share;

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
    /// How much of it one tenant's events may take before that tenant's notifications are answered 503; absent: half of
    /// `max_size`. With PostgreSQL, too, where nothing else bounds the store.
    pub max_size_per_tenant: Option<ByteSize>,
    /// How many events of one tenant it may hold; default 5,000,000.
    pub max_events_per_tenant: u64,
    /// How long SQLite's write-ahead log, which a long read such as a backup lets grow, may become before notifications are
    /// answered 503; default 2 GiB. Results of deliveries are recorded in any case.
    pub max_wal_size: ByteSize,
    /// How long delivered events are kept; default 7 days.
    #[serde(with = "humantime_serde")]
    pub keep_delivered: Duration,
    /// How long dead events are kept; default 90 days.
    #[serde(with = "humantime_serde")]
    pub keep_dead: Duration,
    /// How long a notification that comes again is known, also when its event is forgotten already; default 90 days.
    #[serde(with = "humantime_serde")]
    pub keep_keys: Duration,
    /// The key that bodies are sealed with, 64 hexadecimal digits.
    pub key_file: Option<PathBuf>,
    /// The same, as an environment variable.
    pub key_env: Option<String>,
    /// The same, as the name of a value beside the tenants, in Vault where they are. It is read once, with the first
    /// document; until then notifications are answered 503.
    pub key_document: Option<String>,
    /// The key before that, which still opens bodies.
    pub previous_key_file: Option<PathBuf>,
    /// The same, as an environment variable.
    pub previous_key_env: Option<String>,
    /// The same, as the name of a value beside the tenants.
    pub previous_key_document: Option<String>,
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
    /// In PostgreSQL: how long an event belongs to the gateway that sends it; absent: a try and 30 s for its record.
    #[serde(with = "humantime_serde")]
    pub lease: Option<Duration>,
    /// Events of one tenant that are sent at a time; default 8. Two while its portal has not answered for a minute.
    pub in_flight: usize,
    /// Events of all tenants that are sent at a time; default 512. Half of the places are for first tries. A tenant that
    /// has nothing under way may begin one event in any case.
    pub total_in_flight: usize,
    /// How long after five failures in a row a portal is asked again, by one login or one event, doubling; default 2 s.
    #[serde(with = "humantime_serde")]
    pub breaker_open: Duration,
    /// The longest that it is left alone, in which a portal that is back is not noticed; default 15 s.
    #[serde(with = "humantime_serde")]
    pub breaker_longest: Duration,
    /// How long after a refused login the same account and password are tried again, doubling up to 15 min, so that no
    /// directory locks the account; default 1 min. A changed entry of the tenant document is tried at once.
    #[serde(with = "humantime_serde")]
    pub login_probe: Duration,
}

// === impl StoreConfig ===

impl StoreConfig {
    /// Lists what is wrong, each as `key: reason`.
    pub(super) fn problems(&self) -> impl Iterator<Item = &'static str> {
        let many = |keys: [bool; 3]| keys.into_iter().filter(|there| *there).count() > 1;
        let key = [self.key_file.is_some(), self.key_env.is_some(), self.key_document.is_some()];
        let previous = [
            self.previous_key_file.is_some(),
            self.previous_key_env.is_some(),
            self.previous_key_document.is_some(),
        ];
        let is_shared = self.postgres_file.is_some() || self.postgres_env.is_some();
        let rules = [
            (self.max_size < ByteSize::mib(1), "store.max_size: must be at least 1 MiB"),
            (
                self.max_size_per_tenant.is_some_and(|share| share < ByteSize::kib(64)),
                "store.max_size_per_tenant: must be at least 64 KiB",
            ),
            (self.max_wal_size < ByteSize::mib(64), "store.max_wal_size: must be at least 64 MiB"),
            (self.max_events_per_tenant == 0, "store.max_events_per_tenant: must be greater than zero"),
            (self.keep_dead.is_zero(), "store.keep_dead: must be longer than zero"),
            (self.keep_delivered.is_zero(), "store.keep_delivered: must be longer than zero"),
            (
                self.keep_keys < SENT_AGAIN,
                "store.keep_keys: must be at least 24h, in which Onfido may send a notification again",
            ),
            (many(key), "store.key_file: takes only one of key_file, key_env and key_document"),
            (
                self.postgres_file.is_some() && self.postgres_env.is_some(),
                "store.postgres_file: takes only one of postgres_file and postgres_env",
            ),
            (
                is_shared && !key.contains(&true),
                "store.key_file: a database that is shared needs a key that is, here, as key_env or key_document",
            ),
            (
                many(previous),
                "store.previous_key_file: takes only one of previous_key_file, previous_key_env and \
                 previous_key_document",
            ),
        ];
        rules.into_iter().filter_map(|(broken, text)| broken.then_some(text))
    }
}

impl StoreConfig {
    /// What one tenant's events may take.
    pub(crate) fn share(&self) -> Share {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let bytes = self.max_size_per_tenant.map_or(self.max_size.as_u64() / 2, |share| share.as_u64());
        Share { bytes: signed(bytes), events: signed(self.max_events_per_tenant) }
    }
}

// === impl DispatchConfig ===

impl DispatchConfig {
    /// Lists what is wrong, each as `key: reason`.
    pub(super) fn problems(&self) -> impl Iterator<Item = &'static str> {
        let rules = [
            (self.schedule.is_empty(), "dispatch.schedule: must hold at least one time"),
            (self.attempt.is_zero(), "dispatch.attempt: must be greater than zero"),
            (
                self.lease.is_some_and(|lease| lease <= self.attempt),
                "dispatch.lease: must be longer than dispatch.attempt",
            ),
            (self.in_flight == 0, "dispatch.in_flight: must be greater than zero"),
            (self.total_in_flight == 0, "dispatch.total_in_flight: must be greater than zero"),
        ];
        rules.into_iter().filter_map(|(broken, text)| broken.then_some(text))
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            postgres_file: None,
            postgres_env: None,
            path: PathBuf::from("data/events.db"),
            max_size: ByteSize::gib(10),
            max_size_per_tenant: None,
            max_events_per_tenant: 5_000_000,
            max_wal_size: ByteSize::gib(2),
            keep_delivered: Duration::from_secs(7 * 24 * 3600),
            keep_dead: Duration::from_secs(90 * 24 * 3600),
            keep_keys: Duration::from_secs(90 * 24 * 3600),
            key_file: None,
            key_env: None,
            key_document: None,
            previous_key_file: None,
            previous_key_env: None,
            previous_key_document: None,
        }
    }
}

impl Default for DispatchConfig {
    fn default() -> Self {
        let seconds = [2, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400];
        Self {
            schedule: seconds.map(Duration::from_secs).to_vec(),
            give_up: Duration::from_secs(7 * 24 * 3600),
            attempt: Duration::from_secs(30),
            lease: None,
            in_flight: 8,
            total_in_flight: 512,
            breaker_open: Duration::from_secs(2),
            breaker_longest: Duration::from_secs(15),
            login_probe: Duration::from_secs(60),
        }
    }
}

fn durations<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Duration>, D::Error> {
    #[derive(Deserialize)]
    struct Wait(#[serde(with = "humantime_serde")] Duration);
    Ok(Vec::<Wait>::deserialize(input)?.into_iter().map(|wait| wait.0).collect())
}

/// Longer than Onfido sends a notification again that was not answered 200.
const SENT_AGAIN: Duration = Duration::from_secs(24 * 3600);
