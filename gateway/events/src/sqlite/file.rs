//! The file of a store: its path, its limits, its maintenance and its connections.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;

use super::open;
use crate::{KeySearch, Keyring, OpenError, Share, StoreError};

/// The event store in one SQLite file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    pub(super) path: PathBuf,
    /// Size in bytes from which the store refuses new events.
    pub(super) max_bytes: u64,
    /// Length of the write-ahead log in bytes from which the store refuses new events.
    pub(super) max_wal: u64,
    /// How much of the store one tenant may use; `None` for no limit.
    pub(super) share: Option<Share>,
}

// === impl Sqlite ===

impl Sqlite {
    /// Describes a store of at most `max_bytes`; opens nothing.
    pub fn new(path: &Path, max_bytes: u64) -> Self {
        Self { path: path.to_owned(), max_bytes, max_wal: u64::MAX, share: None }
    }

    /// Limits how much of the store one tenant may use.
    pub fn with_share(self, share: Share) -> Self {
        Self { share: Some(share), ..self }
    }

    /// Creates an empty store under a temporary name, which [`Sqlite::prepare`] renames. Between the two the caller
    /// creates the encryption key, so that a crash never leaves a store without its key.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the file cannot be created.
    pub async fn draft(&self) -> Result<(), OpenError> {
        open::draft(&self.path, self.max_bytes).await
    }

    /// Creates the file if there is none, and migrates it to the newest version. Checks its pages only when the file is
    /// marked as damaged; [`Sqlite::check_integrity`] checks them while the gateway works.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the file is damaged, newer than this release, not writable, or missing although it existed
    /// before.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        open::prepare(&self.path, self.max_bytes).await
    }

    /// Returns the ids of encryption keys that events have and the keyring lacks. `search` selects the events that are
    /// read.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the file cannot be opened or read.
    pub async fn unknown_keys(&self, keyring: &Keyring, search: KeySearch) -> Result<Vec<i64>, OpenError> {
        let mut keys = open::keys(&self.path, self.max_bytes, search).await?;
        keys.retain(|key| !keyring.contains(*key));
        Ok(keys)
    }

    /// Checks that the keyring has the encryption key of every event.
    ///
    /// # Errors
    ///
    /// [`OpenError::KeyUnknown`] when a key is missing; another [`OpenError`] when the file cannot be read.
    pub async fn check_keys(&self, keyring: &Keyring) -> Result<(), OpenError> {
        match self.unknown_keys(keyring, KeySearch::AllEvents).await?.pop() {
            Some(key) => Err(OpenError::KeyUnknown { path: self.path.clone(), key }),
            None => Ok(()),
        }
    }

    /// Checkpoints and truncates the write-ahead log, so that the file alone is the whole store.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`] with SQLite's message.
    pub async fn close(&self) -> Result<(), OpenError> {
        open::close(&self.path, self.max_bytes).await
    }

    /// Writes a consistent copy into an empty file, while the gateway reads and writes.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`] with SQLite's message.
    pub async fn backup(&self, to: &Path) -> Result<(), OpenError> {
        open::backup(&self.path, self.max_bytes, to).await
    }

    /// Checks that the file is an undamaged store of this release; changes nothing.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the file is damaged, no store, or of another version.
    pub async fn inspect(&self) -> Result<(), OpenError> {
        open::inspect(&self.path, self.max_bytes).await
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a store of an older version and runs `script` in it.
    #[cfg(test)]
    pub async fn create_older(&self, version: usize, script: &str) {
        open::create_older(&self.path, version, script).await;
    }

    /// Returns the kept connection, or opens a new one.
    pub(super) async fn connection(
        &self,
        kept: Option<SqliteConnection>,
    ) -> Result<SqliteConnection, StoreError> {
        match kept {
            Some(connection) => Ok(connection),
            None => open::connect(&self.path, self.max_bytes, false)
                .await
                .map_err(|error| StoreError::Engine(error.to_string())),
        }
    }

    /// Opens a connection for the writer.
    pub(super) async fn writer_connection(&self) -> Result<SqliteConnection, StoreError> {
        let connection = open::connect_writer(&self.path, self.max_bytes).await;
        connection.map_err(|error| StoreError::Engine(error.to_string()))
    }
}
