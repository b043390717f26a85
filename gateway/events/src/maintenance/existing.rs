//! Opens a store that is there.

use std::sync::Arc;

use super::error::MaintenanceError;
use crate::store::backend::Backend;
use crate::{EventStore, Keyring, Reader, StoreError};

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
        let store = self.backend.opened().ok_or(StoreError::Unavailable)?;
        Ok((Arc::clone(self.keyring()?), store.reader()))
    }
}

/// Events that are read at a time.
pub(super) const PAGE: usize = 500;
