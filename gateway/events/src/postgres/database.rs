//! A database: its address, its claims and its connections.

use std::fmt;
use std::time::Duration;

use kyc_model::Secret;
use sqlx::postgres::PgConnection;

use super::failure::engine;
use super::open;
use crate::{Extent, Keyring, OpenError, Share, StoreError};

/// A database.
#[derive(Clone)]
pub struct Postgres {
    pub(super) url: Secret,
    /// How long a claim holds; longer than a delivery and its record may take.
    pub(super) lease: Duration,
    pub(super) share: Option<Share>,
}

// === impl Postgres ===

impl Postgres {
    /// Names the database; nothing is opened.
    pub fn new(url: Secret, lease: Duration) -> Self {
        Self { url, lease, share: None }
    }

    /// The same, where one tenant's events may take only so much.
    pub fn with_share(self, share: Share) -> Self {
        Self { share: Some(share), ..self }
    }

    /// Brings the tables to the newest version.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the database does not answer, or is newer.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        open::prepare(&self.url).await
    }

    /// The keys of events that are not in the keyring, as far as `extent` looks.
    ///
    /// # Errors
    ///
    /// What keeps the database from answering.
    pub async fn unknown_keys(&self, keyring: &Keyring, extent: Extent) -> Result<Vec<i64>, OpenError> {
        let mut keys = open::keys(&self.url, extent).await?;
        keys.retain(|key| !keyring.knows(*key));
        Ok(keys)
    }

    /// Makes the tables as an older release has left them.
    #[cfg(test)]
    pub async fn older(&self, version: usize, script: &str) {
        open::older(&self.url, version, script).await;
    }

    /// The connection that was kept, else a new one.
    pub(super) async fn connection(&self, kept: Option<PgConnection>) -> Result<PgConnection, StoreError> {
        match kept {
            Some(connection) => Ok(connection),
            None => open::connect(&self.url).await.map_err(|error| engine(&error)),
        }
    }

    /// The same, for claims.
    pub(super) async fn connection_for_claims(
        &self,
        kept: Option<PgConnection>,
    ) -> Result<PgConnection, StoreError> {
        match kept {
            Some(connection) => Ok(connection),
            None => open::connect_for_claims(&self.url).await.map_err(|error| engine(&error)),
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres(…)")
    }
}
