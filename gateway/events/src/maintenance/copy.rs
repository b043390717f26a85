//! `events copy`: copies a SQLite store into the configured PostgreSQL database, and then renames the file.
//!
//! The renaming is the last step: a copy that was interrupted can be repeated, because events that are already in the
//! database are recognised. Copied events become visible to gateways only when all are copied, so that none is delivered
//! twice.

use std::path::{Path, PathBuf};

use super::error::MaintenanceError;
use super::existing::PAGE;
use super::progress::OnProgress;
use crate::lock::lock_exclusive;
use crate::paths::{COPIED, path_with_suffix, sync_parent_folder};
use crate::store::backend::{Backend, Opened};
use crate::{
    EventStore, Filter, Postgres, PostgresRecords, Reader, Sqlite, SqliteRecords, StoreError, copy_chain,
};

/// The result of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyResult {
    /// Events that are new in the database.
    pub copied: usize,
    /// Events that an earlier, interrupted copy had inserted.
    pub already_copied: usize,
    /// The path of the file after it was renamed.
    pub renamed_to: PathBuf,
    /// Whether the audit records were copied; `false` when the database has a chain of its own.
    pub has_audit: bool,
}

impl EventStore {
    /// Copies all events and the ledger of a SQLite file into the configured database, and then renames the file.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`] when a store cannot be opened, locked, read or written. The copy can be repeated.
    pub async fn copy_from(
        &self,
        from: &Path,
        progress: OnProgress<'_>,
    ) -> Result<CopyResult, MaintenanceError> {
        let source = self.source(from).await?;
        let database = self.database()?;
        let has_audit =
            copy_chain(&mut SqliteRecords::new(&source.store), &mut PostgresRecords::new(database)).await?;
        let mut reader = source.store.reader();
        let all = match progress {
            Some(_) => usize::try_from(reader.count(&Filter::default()).await?).unwrap_or_default(),
            None => 0,
        };
        let (mut after, mut copied, mut already_copied) = (0, 0, 0);
        loop {
            let records = reader.records(&Filter::default(), after, PAGE).await?;
            let Some(last) = records.last() else { break };
            after = last.id;
            let new = database.import(&records).await?;
            copied += new;
            already_copied += records.len() - new;
            if let Some(report) = progress {
                report(copied + already_copied, all);
            }
        }
        copy_seen(&mut reader, database).await?;
        copy_ledger(&mut reader, database).await?;
        // SQLite removes the write-ahead log only when the last connection closes, and the renamed file must be complete.
        drop(reader);
        source.store.close().await?;
        database.release_imported().await?;
        let renamed_to =
            rename_copied(from).map_err(|error| MaintenanceError::Rename { path: from.to_owned(), error })?;
        Ok(CopyResult { copied, already_copied, renamed_to, has_audit })
    }

    /// Copies only the audit records. It comes before the audit record of the copy itself, which then continues the same
    /// chain.
    ///
    /// # Errors
    ///
    /// As [`EventStore::copy_from`].
    pub async fn copy_audit_from(&self, from: &Path) -> Result<(), MaintenanceError> {
        let source = self.source(from).await?;
        let database = self.database()?;
        copy_chain(&mut SqliteRecords::new(&source.store), &mut PostgresRecords::new(database)).await?;
        Ok(source.store.close().await?)
    }

    /// Locks the file against all other processes, and opens both stores.
    async fn source(&self, from: &Path) -> Result<Source, MaintenanceError> {
        if !matches!(self.backend, Backend::Postgres { .. }) {
            return Err(MaintenanceError::NoDatabase);
        }
        if !from.exists() {
            return Err(MaintenanceError::NoStore(from.to_owned()));
        }
        let locks =
            lock_exclusive(from).map_err(|error| MaintenanceError::of_lock(from.to_owned(), error))?;
        let (keyring, _) = self.open_existing().await?;
        let store = Sqlite::new(from, u64::MAX / 2);
        store.prepare().await?;
        store.inspect().await?;
        store.check_keys(&keyring).await?;
        Ok(Source { store, _locks: locks })
    }

    fn database(&self) -> Result<&Postgres, StoreError> {
        match self.backend.opened() {
            Some(Opened::Postgres(database)) => Ok(database),
            Some(Opened::Sqlite(_)) | None => Err(StoreError::Unavailable),
        }
    }
}

/// A store file that is locked against all other processes.
struct Source {
    store: Sqlite,
    _locks: [std::fs::File; 2],
}

/// Copies the deduplication keys of deleted events, so that repeated notifications are still recognised.
async fn copy_seen(reader: &mut impl Reader, database: &Postgres) -> Result<(), StoreError> {
    let mut after = Vec::new();
    loop {
        let keys = reader.seen(&after, KEYS).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = last.dedup.clone();
        database.import_seen(&keys).await?;
    }
}

/// Copies the ledger of started checks.
async fn copy_ledger(reader: &mut impl Reader, database: &Postgres) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let entries = reader.ledger_records(after, PAGE).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = last.id;
        database.import_entries(&entries).await?;
    }
}

/// Renames a store, so that no gateway delivers from it again.
fn rename_copied(store: &Path) -> std::io::Result<PathBuf> {
    let aside = path_with_suffix(store, COPIED);
    std::fs::rename(store, &aside)?;
    for end in ["-wal", "-shm"] {
        // The store was closed, so they are empty and usually deleted.
        let _ = std::fs::remove_file(path_with_suffix(store, end));
    }
    sync_parent_folder(&aside)?;
    Ok(aside)
}

/// Keys per read.
const KEYS: usize = 10_000;
