//! Copies of a store file that are whole, also while a gateway uses it, and the proof that they are.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::MaintenanceError;
use super::existing::PAGE;
use crate::paths::sync_name;
use crate::store::backend::Backend;
use crate::{EventStore, Filter, Keyring, Reader, Sqlite, State};

/// What a copy holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Its events, by the name of their state.
    pub events: BTreeMap<&'static str, usize>,
    /// How many of them do not open with the configured keys.
    pub unopened: usize,
}

// === impl Verified ===

impl fmt::Display for Verified {
    /// How many events there are in each state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, state) in State::ALL.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", self.events.get(state.name()).unwrap_or(&0), state.name())?;
        }
        Ok(())
    }
}

// === impl EventStore ===

impl EventStore {
    /// Writes the whole store into a new file, as it is at one moment, and gives the path of the store. Others cannot read
    /// the file.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`]; an existing file is never written to.
    pub async fn backup(&self, to: &Path) -> Result<PathBuf, MaintenanceError> {
        let Backend::Sqlite(store) = &self.backend else { return Err(MaintenanceError::IsDatabase) };
        if !store.path().exists() {
            return Err(MaintenanceError::NoStore(store.path().to_owned()));
        }
        let failed = |error: std::io::Error| MaintenanceError::File { path: to.to_owned(), error };
        // The engine fills an empty file; it would make one that others can read.
        File::options().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
        store.backup(to).await?;
        File::open(to).and_then(|file| file.sync_all()).map_err(failed)?;
        sync_name(to).map_err(failed)?;
        Ok(store.path().to_owned())
    }

    /// Reads all of a file, and opens everything in it with the configured keys.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`] when the file is not a whole store.
    pub async fn verify(&self, file: &Path) -> Result<Verified, MaintenanceError> {
        if !file.exists() {
            return Err(MaintenanceError::NoFile(file.to_owned()));
        }
        let keyring = self.keys_for(file)?;
        let copy = Sqlite::new(file, u64::MAX / 2);
        copy.inspect().await?;
        let mut reader = copy.reader();
        let (mut after, mut verified) = (0, Verified::default());
        loop {
            let page = reader.records(&Filter::default(), after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(verified) };
            after = last.id;
            for record in &page {
                *verified.events.entry(record.listed.state.name()).or_default() += 1;
                let is_closed = keyring.open(record.listed.uid, &record.owner, &record.body).is_err();
                verified.unopened += usize::from(is_closed);
            }
        }
    }

    /// The configured keys, else the one that was made with the store.
    fn keys_for(&self, file: &Path) -> Result<Keyring, MaintenanceError> {
        if self.has_key_in_document() {
            return Err(MaintenanceError::KeyInDocument);
        }
        let store = self.backend.path().filter(|store| store.exists()).unwrap_or(file);
        Ok(self.keys.keyring(Some(store), None)?)
    }
}
