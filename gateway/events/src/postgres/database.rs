//! The database of a store: its address, its leases and its connections.

use std::fmt;
use std::time::Duration;

use kyc_model::Secret;
use sqlx::postgres::PgConnection;

use super::error::store_error;
use super::open;
use crate::{KeySearch, Keyring, OpenError, Share, StoreError};

/// The event store in a PostgreSQL database.
#[derive(Clone)]
pub struct Postgres {
    pub(super) url: Secret,
    /// How long a claim lasts: longer than an attempt and the recording of its result may take.
    pub(super) lease: Duration,
    /// How much of the store one tenant may use; `None` for no limit.
    pub(super) share: Option<Share>,
}

// === impl Postgres ===

impl Postgres {
    /// Describes a store whose claims last for `lease`; opens nothing.
    pub fn new(url: Secret, lease: Duration) -> Self {
        Self { url, lease, share: None }
    }

    /// Limits how much of the store one tenant may use.
    pub fn with_share(self, share: Share) -> Self {
        Self { share: Some(share), ..self }
    }

    /// Migrates the tables to the newest version.
    ///
    /// # Errors
    ///
    /// [`OpenError::Database`] when the database does not answer; [`OpenError::Newer`] when a newer release has migrated
    /// it.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        open::prepare(&self.url).await
    }

    /// Returns the ids of encryption keys that events have and the keyring lacks. `search` selects the events that are
    /// read.
    ///
    /// # Errors
    ///
    /// [`OpenError::Database`] when the database does not answer.
    pub async fn unknown_keys(&self, keyring: &Keyring, search: KeySearch) -> Result<Vec<i64>, OpenError> {
        let mut keys = open::keys(&self.url, search).await?;
        keys.retain(|key| !keyring.contains(*key));
        Ok(keys)
    }

    /// Creates tables of an older version and runs `script` in them.
    #[cfg(test)]
    pub async fn create_older(&self, version: usize, script: &str) {
        open::create_older(&self.url, version, script).await;
    }

    /// Returns the kept connection, or opens a new one.
    pub(super) async fn connection(&self, kept: Option<PgConnection>) -> Result<PgConnection, StoreError> {
        match kept {
            Some(connection) => Ok(connection),
            None => open::connect(&self.url).await.map_err(|error| store_error(&error)),
        }
    }

    /// Returns the kept connection, or opens a new one whose commits do not wait for the disk.
    pub(super) async fn connection_for_claims(
        &self,
        kept: Option<PgConnection>,
    ) -> Result<PgConnection, StoreError> {
        match kept {
            Some(connection) => Ok(connection),
            None => open::connect_for_claims(&self.url).await.map_err(|error| store_error(&error)),
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres(…)")
    }
}
