//! The section `[events]`.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use kyc_model::ConfigErrors;
use serde::{Deserialize, Serialize};

use crate::Share;

/// The section `[events]`: where notifications are stored until their portal has accepted them. Without a configured key,
/// one is generated together with the SQLite file, as `PATH.key`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    /// A file with the address of a PostgreSQL database, which several gateways can share; absent: SQLite.
    pub postgres_file: Option<PathBuf>,
    /// The environment variable with that address, instead of a file.
    pub postgres_env: Option<String>,
    /// The SQLite file; default `data/events.db`.
    pub path: PathBuf,
    /// The size of the SQLite file from which on notifications are answered 503; at least 1 MiB, default 10 GiB.
    pub max_size: ByteSize,
    /// The size of one tenant's events from which on its notifications are answered 503; at least 64 KiB, absent: half of
    /// `max_size`. It also holds for PostgreSQL, where nothing else bounds the store.
    pub max_size_per_tenant: Option<ByteSize>,
    /// The number of one tenant's events from which on its notifications are answered 503; default 5,000,000.
    pub max_events_per_tenant: u64,
    /// The number of one tenant's checks and workflow runs in the ledger from which on no more are noted; default 1,000,000. Above
    /// four fifths of it the oldest settled ones are deleted early. It also holds for PostgreSQL. An entry takes about 1 KiB, and no
    /// tenant has more than fit into its size.
    pub max_checks_per_tenant: u64,
    /// The size of SQLite's write-ahead log from which on notifications are answered 503; at least 64 MiB, default 2 GiB.
    /// The log grows during a long read, such as a backup. Results of deliveries are recorded in any case.
    pub max_wal_size: ByteSize,
    /// How long delivered events are kept; default 7 days.
    #[serde(with = "humantime_serde")]
    pub keep_delivered: Duration,
    /// How long dead events are kept; default 90 days.
    #[serde(with = "humantime_serde")]
    pub keep_dead: Duration,
    /// How long a repeated notification is recognised, also after its event was deleted; at least 24 h, default 90 days.
    #[serde(with = "humantime_serde")]
    pub keep_keys: Duration,
    /// How long the ledger keeps a started check or workflow run, settled or not; at least 24 h, default 90 days.
    #[serde(with = "humantime_serde")]
    pub keep_ledger: Duration,
    /// A file with the key that bodies are encrypted with, 64 hexadecimal digits.
    pub key_file: Option<PathBuf>,
    /// The environment variable with that key, instead of a file.
    pub key_env: Option<String>,
    /// The name of the entry of the tenant document, and so of Vault, that holds that key. It is read once, with the first
    /// document; until then notifications are answered 503.
    pub key_document: Option<String>,
    /// A file with previous keys, which still decrypt bodies, separated by white space.
    pub previous_key_file: Option<PathBuf>,
    /// The environment variable with previous keys, instead of a file.
    pub previous_key_env: Option<String>,
    /// The name of the entry of the tenant document that holds previous keys.
    pub previous_key_document: Option<String>,
}

// === impl EventsConfig ===

impl EventsConfig {
    /// Checks the values, without reading a file or opening a connection.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all problems, each with its key.
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
        errors.require(self.max_checks_per_tenant > 0, "max_checks_per_tenant", "must be greater than zero");
        errors.require(!self.keep_dead.is_zero(), "keep_dead", "must be longer than zero");
        errors.require(!self.keep_delivered.is_zero(), "keep_delivered", "must be longer than zero");
        errors.require(
            self.keep_keys >= ONFIDO_RETRY_PERIOD,
            "keep_keys",
            "must be at least 24h, because Onfido may send a notification again within that time",
        );
        errors.require(
            self.keep_ledger >= ONFIDO_RETRY_PERIOD,
            "keep_ledger",
            "must be at least 24h, because Onfido may send a notification again within that time",
        );
        errors.require(!many(key), "key_file", "accepts only one of key_file, key_env and key_document");
        errors.require(
            self.postgres_file.is_none() || self.postgres_env.is_none(),
            "postgres_file",
            "accepts only one of postgres_file and postgres_env",
        );
        errors.require(
            !is_shared || key.contains(&true),
            "key_file",
            "is required with PostgreSQL, as key_file, key_env or key_document: all gateways need the same key",
        );
        errors.require(
            !many(previous),
            "previous_key_file",
            "accepts only one of previous_key_file, previous_key_env and previous_key_document",
        );
        errors.finish()
    }

    /// Returns the limits of one tenant.
    pub(crate) fn share(&self) -> Share {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let bytes = self.max_size_per_tenant.map_or(self.max_size.as_u64() / 2, |share| share.as_u64());
        Share {
            bytes: signed(bytes),
            events: signed(self.max_events_per_tenant),
            entries: signed(self.max_checks_per_tenant),
        }
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
            max_checks_per_tenant: 1_000_000,
            max_wal_size: ByteSize::gib(2),
            keep_delivered: Duration::from_secs(7 * 24 * 3600),
            keep_dead: Duration::from_secs(90 * 24 * 3600),
            keep_keys: Duration::from_secs(90 * 24 * 3600),
            keep_ledger: Duration::from_secs(90 * 24 * 3600),
            key_file: None,
            key_env: None,
            key_document: None,
            previous_key_file: None,
            previous_key_env: None,
            previous_key_document: None,
        }
    }
}

/// An upper bound of the time in which Onfido repeats a notification that was not answered 200.
const ONFIDO_RETRY_PERIOD: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
