//! What operators do to a store on the command line: back up, verify, move into a database, read all of it.
//!
//! No gateway need run; whoever can read the files may see what is in them.

mod backup;
mod copy;

use std::fs::TryLockError;
use std::path::PathBuf;
use std::sync::Arc;

pub use backup::Verified;
pub use copy::Copied;

use crate::store::{Backend, EventStore};
use crate::{Keyring, OpenError, Reader, StoreError};

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

// === impl EventStore ===

impl EventStore {
    /// Opens a store that is there, for reading all of it.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`].
    pub async fn open_existing(&self) -> Result<(Arc<Keyring>, Box<dyn Reader>), MaintenanceError> {
        if let Backend::Sqlite(store) = &self.backend
            && !store.path().exists()
        {
            return Err(MaintenanceError::NoStore(store.path().to_owned()));
        }
        if self.has_key_in_document() {
            return Err(MaintenanceError::KeyInDocument);
        }
        self.open().await?;
        let store = self.backend.opened().ok_or(StoreError::Away)?;
        Ok((Arc::clone(self.keyring()?), store.reader()))
    }
}

// === impl MaintenanceError ===

impl MaintenanceError {
    fn of_lock(path: PathBuf, error: TryLockError) -> Self {
        match error {
            TryLockError::WouldBlock => Self::InUse(path),
            TryLockError::Error(error) => Self::Lock { path, error },
        }
    }
}

/// Events that are read at a time.
const PAGE: usize = 500;
