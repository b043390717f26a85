//! Opens an existing store for a command.

use std::sync::Arc;

use super::error::MaintenanceError;
use crate::store::backend::Backend;
use crate::{EventStore, Keyring, Reader, StoreError};

// === impl EventStore ===

impl EventStore {
    /// Opens an existing store and returns its keys and a reader. It never creates a store: a mistyped path must not look
    /// like an empty one.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NoStore`] when there is no file, [`MaintenanceError::KeyInDocument`] when a key is in the tenant
    /// document, [`MaintenanceError::Open`] when the store cannot be opened.
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
        let store = self.backend.opened().ok_or(StoreError::Unavailable)?;
        Ok((Arc::clone(self.keyring()?), store.reader()))
    }
}

/// Events per read.
pub(super) const PAGE: usize = 500;
