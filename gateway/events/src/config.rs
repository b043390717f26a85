//! The section `[events]`.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use kyc_model::ConfigErrors;
use serde::{Deserialize, Serialize};

use crate::Share;

/// The section `[events]`: where notifications are stored until their portal has taken them. Without a key one is made together with the store, in the file `PATH.key`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
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

// === impl EventsConfig ===

impl EventsConfig {
    /// Checks what needs no file and no network.
    ///
    /// # Errors
    ///
    /// All problems, by key.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let many = |keys: [bool; 3]| keys.into_iter().filter(|there| *there).count() > 1;
        let key = [self.key_file.is_some(), self.key_env.is_some(), self.key_document.is_some()];
        let previous = [
            self.previous_key_file.is_some(),
            self.previous_key_env.is_some(),
            self.previous_key_document.is_some(),
        ];
        let is_shared = self.postgres_file.is_some() || self.postgres_env.is_some();
        let mut errors = ConfigErrors::default();
        errors.require(self.max_size >= ByteSize::mib(1), "max_size", "must be at least 1 MiB");
        errors.require(
            self.max_size_per_tenant.is_none_or(|share| share >= ByteSize::kib(64)),
            "max_size_per_tenant",
            "must be at least 64 KiB",
        );
        errors.require(self.max_wal_size >= ByteSize::mib(64), "max_wal_size", "must be at least 64 MiB");
        errors.require(self.max_events_per_tenant > 0, "max_events_per_tenant", "must be greater than zero");
        errors.require(!self.keep_dead.is_zero(), "keep_dead", "must be longer than zero");
        errors.require(!self.keep_delivered.is_zero(), "keep_delivered", "must be longer than zero");
        errors.require(
            self.keep_keys >= SENT_AGAIN,
            "keep_keys",
            "must be at least 24h, in which Onfido may send a notification again",
        );
        errors.require(!many(key), "key_file", "takes only one of key_file, key_env and key_document");
        errors.require(
            self.postgres_file.is_none() || self.postgres_env.is_none(),
            "postgres_file",
            "takes only one of postgres_file and postgres_env",
        );
        errors.require(
            !is_shared || key.contains(&true),
            "key_file",
            "a database that is shared needs a key that is, here, as key_env or key_document",
        );
        errors.require(
            !many(previous),
            "previous_key_file",
            "takes only one of previous_key_file, previous_key_env and previous_key_document",
        );
        errors.finish()
    }

    /// What one tenant's events may take.
    pub(crate) fn share(&self) -> Share {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let bytes = self.max_size_per_tenant.map_or(self.max_size.as_u64() / 2, |share| share.as_u64());
        Share { bytes: signed(bytes), events: signed(self.max_events_per_tenant) }
    }
}

impl Default for EventsConfig {
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

/// Longer than Onfido sends a notification again that was not answered 200.
const SENT_AGAIN: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
