//! Consistent backups of a SQLite store, also while a gateway uses it, and their verification.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::MaintenanceError;
use super::existing::PAGE;
use crate::paths::sync_parent_folder;
use crate::store::backend::Backend;
use crate::{EventStore, Filter, Keyring, Reader, Sqlite, State};

/// The result of verifying a store file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyResult {
    /// The number of events by the name of their state.
    pub events: BTreeMap<&'static str, usize>,
    /// The number of events that cannot be decrypted with the configured keys.
    pub undecryptable: usize,
}

// === impl VerifyResult ===

impl fmt::Display for VerifyResult {
    /// Writes the number of events in each state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, state) in State::ALL.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", self.events.get(state.name()).unwrap_or(&0), state.name())?;
        }
        Ok(())
    }
}

// === impl EventStore ===

impl EventStore {
    /// Writes a consistent copy of the store into a new file with mode 0600, and returns the path of the store.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::IsDatabase`] with PostgreSQL, [`MaintenanceError::NoStore`] when there is no store,
    /// [`MaintenanceError::File`] when the new file exists already or cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<PathBuf, MaintenanceError> {
        let Backend::Sqlite(store) = &self.backend else { return Err(MaintenanceError::IsDatabase) };
        if !store.path().exists() {
            return Err(MaintenanceError::NoStore(store.path().to_owned()));
        }
        let failed = |error: std::io::Error| MaintenanceError::File { path: to.to_owned(), error };
        // SQLite would create the file with the umask's mode, so others might read it; an existing empty file it fills.
        File::options().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
        store.backup(to).await?;
        File::open(to).and_then(|file| file.sync_all()).map_err(failed)?;
        sync_parent_folder(to).map_err(failed)?;
        Ok(store.path().to_owned())
    }

    /// Checks the integrity of a store file, reads all its events, and decrypts each with the configured keys.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`] when the file does not exist, is damaged, or has another schema version, or the keys cannot be
    /// read.
    pub async fn verify(&self, file: &Path) -> Result<VerifyResult, MaintenanceError> {
        if !file.exists() {
            return Err(MaintenanceError::NoFile(file.to_owned()));
        }
        let keyring = self.keys_for(file)?;
        let copy = Sqlite::new(file, u64::MAX / 2);
        copy.inspect().await?;
        let mut reader = copy.reader();
        let (mut after, mut verified) = (0, VerifyResult::default());
        loop {
            let page = reader.records(&Filter::default(), after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(verified) };
            after = last.id;
            for record in &page {
                *verified.events.entry(record.listed.state.name()).or_default() += 1;
                let decrypted = keyring.open(record.listed.uid, &record.owner, &record.body);
                verified.undecryptable += usize::from(decrypted.is_err());
            }
        }
    }

    /// Returns the configured keys, else the one that was generated with the store.
    fn keys_for(&self, file: &Path) -> Result<Keyring, MaintenanceError> {
        if self.has_key_in_document() {
            return Err(MaintenanceError::KeyInDocument);
        }
        let store = self.backend.path().filter(|store| store.exists()).unwrap_or(file);
        Ok(self.keys.keyring(Some(store), None)?)
    }
}
