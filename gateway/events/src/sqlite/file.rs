//! A store file: where it is, how large it may become, and its connections.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;

use super::open;
use crate::{Extent, Keyring, OpenError, Share, StoreError};

/// A store file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    pub(super) path: PathBuf,
    pub(super) max_bytes: u64,
    pub(super) max_wal: u64,
    pub(super) share: Option<Share>,
}

// === impl Sqlite ===

impl Sqlite {
    /// Names the file; nothing is opened.
    pub fn new(path: &Path, max_bytes: u64) -> Self {
        Self { path: path.to_owned(), max_bytes, max_wal: u64::MAX, share: None }
    }

    /// The same, where one tenant's events may take only so much.
    pub fn with_share(self, share: Share) -> Self {
        Self { share: Some(share), ..self }
    }

    /// Makes an empty store, but not in its place yet. What the place needs besides can be made in between.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the folder cannot be written to.
    pub async fn draft(&self) -> Result<(), OpenError> {
        open::draft(&self.path, self.max_bytes).await
    }

    /// Makes the file if there is none, and brings it to the newest version. Its pages are read only where it was found
    /// damaged before; [`Sqlite::check`] does that beside the work, however large the file is.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: everything that would lose events.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        open::prepare(&self.path, self.max_bytes).await
    }

    /// The keys of events that are not in the keyring, as far as `extent` looks.
    ///
    /// # Errors
    ///
    /// What keeps the file from being read.
    pub async fn unknown_keys(&self, keyring: &Keyring, extent: Extent) -> Result<Vec<i64>, OpenError> {
        let mut keys = open::keys(&self.path, self.max_bytes, extent).await?;
        keys.retain(|key| !keyring.knows(*key));
        Ok(keys)
    }

    /// Makes sure that all events can be opened.
    ///
    /// # Errors
    ///
    /// [`OpenError::KeyUnknown`], or what keeps the file from being read.
    pub async fn check_keys(&self, keyring: &Keyring) -> Result<(), OpenError> {
        match self.unknown_keys(keyring, Extent::All).await?.pop() {
            Some(key) => Err(OpenError::KeyUnknown { path: self.path.clone(), key }),
            None => Ok(()),
        }
    }

    /// Takes the write-ahead log into the file, so that the file is the whole store.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`], with what the engine says.
    pub async fn close(&self) -> Result<(), OpenError> {
        open::close(&self.path, self.max_bytes).await
    }

    /// Writes all of it into an empty file, as it is at one moment; others may read and write meanwhile.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`], with what the engine says.
    pub async fn backup(&self, to: &Path) -> Result<(), OpenError> {
        open::backup(&self.path, self.max_bytes, to).await
    }

    /// Makes sure that it is a whole store of this release, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: what it is instead.
    pub async fn inspect(&self) -> Result<(), OpenError> {
        open::inspect(&self.path, self.max_bytes).await
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file as an older release has left it.
    #[cfg(test)]
    pub async fn older(&self, version: usize, script: &str) {
        open::older(&self.path, version, script).await;
    }

    /// The connection that was kept, else a new one.
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
}
