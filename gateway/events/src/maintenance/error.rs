//! Errors of the commands on a store.

use std::fs::TryLockError;
use std::path::PathBuf;

use crate::{OpenError, StoreError};

/// Why a command on a store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// There is no store at this path. Commands never create one.
    #[error("there is no event store at {}", .0.display())]
    NoStore(PathBuf),
    /// The file does not exist.
    #[error("there is no file {}", .0.display())]
    NoFile(PathBuf),
    /// The key is in the tenant document, which commands do not read.
    #[error(
        "the event store's key is in the tenant document (events.key_document); set events.key_file or events.key_env"
    )]
    KeyInDocument,
    /// The configured store is a SQLite file, and only a database can be copied into.
    #[error("no PostgreSQL database to copy into: set events.postgres_file or events.postgres_env")]
    NoDatabase,
    /// The configured store is a database, and only a SQLite file can be backed up.
    #[error("the event store is a PostgreSQL database; back it up with pg_dump")]
    IsDatabase,
    /// Another process has the store open.
    #[error("another process uses {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// The lock file of the store cannot be opened or locked.
    #[error("cannot lock {}: {error}", path.display())]
    Lock {
        /// The store.
        path: PathBuf,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// The file of a backup cannot be created or written.
    #[error("cannot write {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// All events were copied, but the store cannot be renamed.
    #[error("all events were copied, but {} cannot be renamed: {error}; run the command again", path.display())]
    Rename {
        /// The store.
        path: PathBuf,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// === impl MaintenanceError ===

impl MaintenanceError {
    pub(super) fn of_lock(path: PathBuf, error: TryLockError) -> Self {
        match error {
            TryLockError::WouldBlock => Self::InUse(path),
            TryLockError::Error(error) => Self::Lock { path, error },
        }
    }
}
