//! Moves a SQLite store into the configured PostgreSQL database, and then puts the file aside.

use std::path::{Path, PathBuf};

use super::error::MaintenanceError;
use super::existing::PAGE;
use crate::lock::alone;
use crate::paths::{MOVED, beside, sync_name};
use crate::store::backend::{Backend, Opened};
use crate::{
    EventStore, Filter, Postgres, PostgresRecords, Reader, Sqlite, SqliteRecords, StoreError, copy_chain,
};

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Events that are new in the database.
    pub copied: usize,
    /// Events that an earlier copy had brought already.
    pub known: usize,
    /// Where the file is now.
    pub aside: PathBuf,
    /// Whether its audit records came along; else the database has a chain of its own.
    pub has_audit: bool,
}

impl EventStore {
    /// Moves all events of a SQLite file into the configured database, and then renames the file.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`]; what was copied is known when it is done again.
    pub async fn copy_from(&self, from: &Path) -> Result<Copied, MaintenanceError> {
        let source = self.source(from).await?;
        let database = self.database()?;
        let has_audit =
            copy_chain(&mut SqliteRecords::new(&source.store), &mut PostgresRecords::new(database)).await?;
        let mut reader = source.store.reader();
        let (mut after, mut copied, mut known) = (0, 0, 0);
        loop {
            let records = reader.records(&Filter::default(), after, PAGE).await?;
            let Some(last) = records.last() else { break };
            after = last.id;
            let new = database.adopt(&records).await?;
            copied += new;
            known += records.len() - new;
        }
        copy_seen(&mut reader, database).await?;
        drop(reader);
        source.store.close().await?;
        database.release_adopted().await?;
        let aside =
            put_aside(from).map_err(|error| MaintenanceError::Rename { path: from.to_owned(), error })?;
        Ok(Copied { copied, known, aside, has_audit })
    }

    /// Copies the audit records alone, so that the record of the copy itself follows on them.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`].
    pub async fn copy_audit_from(&self, from: &Path) -> Result<(), MaintenanceError> {
        let source = self.source(from).await?;
        let database = self.database()?;
        copy_chain(&mut SqliteRecords::new(&source.store), &mut PostgresRecords::new(database)).await?;
        Ok(source.store.close().await?)
    }

    /// Opens both stores, while nobody else uses the file.
    async fn source(&self, from: &Path) -> Result<Source, MaintenanceError> {
        if !matches!(self.backend, Backend::Postgres { .. }) {
            return Err(MaintenanceError::NoDatabase);
        }
        if !from.exists() {
            return Err(MaintenanceError::NoStore(from.to_owned()));
        }
        let alone = alone(from).map_err(|error| MaintenanceError::of_lock(from.to_owned(), error))?;
        let (keyring, _) = self.open_existing().await?;
        let store = Sqlite::new(from, u64::MAX / 2);
        store.prepare().await?;
        store.inspect().await?;
        store.check_keys(&keyring).await?;
        Ok(Source { store, _alone: alone })
    }

    fn database(&self) -> Result<&Postgres, StoreError> {
        match self.backend.opened() {
            Some(Opened::Postgres(database)) => Ok(database),
            Some(Opened::Sqlite(_)) | None => Err(StoreError::Unavailable),
        }
    }
}

/// A file that nobody else uses.
struct Source {
    store: Sqlite,
    _alone: [std::fs::File; 2],
}

/// Copies the keys of forgotten notifications, so that those stay known.
async fn copy_seen(reader: &mut impl Reader, database: &Postgres) -> Result<(), StoreError> {
    let mut after = Vec::new();
    loop {
        let keys = reader.seen(&after, KEYS).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = last.dedup.clone();
        database.adopt_seen(&keys).await?;
    }
}

/// Renames a store, so that nothing delivers from it again.
fn put_aside(store: &Path) -> std::io::Result<PathBuf> {
    let aside = beside(store, MOVED);
    std::fs::rename(store, &aside)?;
    for end in ["-wal", "-shm"] {
        // Empty since the store was closed, and usually gone.
        let _ = std::fs::remove_file(beside(store, end));
    }
    sync_name(&aside)?;
    Ok(aside)
}

/// Keys that are read at a time.
const KEYS: usize = 10_000;
