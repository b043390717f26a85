//! Why a command on a store was not carried out.

use std::fs::TryLockError;
use std::path::PathBuf;

use crate::{OpenError, StoreError};

/// Why a command on a store was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// There is no store at this place; no command begins one.
    #[error("there is no store at {}", .0.display())]
    NoStore(PathBuf),
    /// There is no such file.
    #[error("there is no file {}", .0.display())]
    NoFile(PathBuf),
    /// The command line does not read the tenant document.
    #[error("the store's key is in the tenant document; give it as key_file or key_env")]
    KeyInDocument,
    /// Only a database can be copied into.
    #[error("the configuration names no PostgreSQL database to copy into")]
    NoDatabase,
    /// Only a file can be backed up.
    #[error("the store is a PostgreSQL database; back it up with pg_dump")]
    IsDatabase,
    /// A process uses the file.
    #[error("a process uses {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// A file cannot be locked.
    #[error("{} cannot be locked: {error}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file cannot be written or renamed.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store that was moved keeps its name.
    #[error("{} cannot be renamed: {error}", path.display())]
    Rename {
        /// The file.
        path: PathBuf,
        /// What the system said.
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
