//! Opens a store, and waits until the tenant document provides its keys.

use std::fs::TryLockError;
use std::sync::Arc;
use std::time::Duration;

use kyc_model::{TenantSnapshots, TenantTable};
use tokio::sync::watch;

use super::backend::Backend;
use super::event_store::EventStore;
use super::pause::pause;
use crate::{Keyring, OpenError, Postgres, lock_shared};

impl EventStore {
    /// Opens the store, and creates a SQLite file where there was none. Call it before a listener accepts; any runtime will
    /// do.
    ///
    /// The order matters: the draft of a new file comes before its key, so that a crash in between is not taken for a lost
    /// store, and the keys come before the tables, so that a missing key is reported before anything is changed.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the store cannot be created, locked, read or decrypted.
    pub async fn open(&self) -> Result<(), OpenError> {
        if let Backend::Sqlite(store) = &self.backend {
            let lock = lock_shared(store.path()).map_err(|error| match error {
                TryLockError::WouldBlock => OpenError::Moving { path: store.path().to_owned() },
                TryLockError::Error(error) => {
                    OpenError::Folder { path: store.path().to_owned(), reason: error.to_string() }
                }
            })?;
            // A second call keeps the first lock; both are the same shared lock.
            let _ = self.use_lock.set(lock);
        }
        if let Backend::Sqlite(store) = &self.backend
            && self.keys.may_create(store.path())
        {
            store.draft().await?;
        }
        if !self.keys.is_in_document() {
            self.take_keys(None)?;
        }
        match &self.backend {
            Backend::Sqlite(store) => store.prepare().await?,
            Backend::Postgres { source, lease, share, store } => {
                let url = source.read().map_err(|error| OpenError::Database(error.to_string()))?;
                let database = Postgres::new(url, *lease).with_share(*share);
                database.prepare().await?;
                // A second call finds the database set; the address is the same.
                let _ = store.set(database);
            }
        }
        match self.keyring.get() {
            Some(keyring) => self.log_unknown_keys(keyring).await,
            None => Ok(()),
        }
    }

    /// Logs the ids of missing keys. The dispatcher parks events encrypted with them when they are due, so that a missing
    /// key does not keep the gateway from starting.
    async fn log_unknown_keys(&self, keyring: &Keyring) -> Result<(), OpenError> {
        let unknown = self.backend.unknown_keys(keyring).await?;
        if !unknown.is_empty() {
            let keys: Vec<String> = unknown.iter().map(|key| format!("{key:08x}")).collect();
            tracing::error!(
                keys = keys.join(" "),
                "the event store holds events encrypted with keys that are not configured; they are not delivered \
                 until the keys are configured as previous keys"
            );
        }
        Ok(())
    }

    fn take_keys(&self, tenants: Option<&TenantTable>) -> Result<(), OpenError> {
        let keyring = self.keys.keyring(self.backend.path(), tenants)?;
        let _ = self.keyring.set(Arc::new(keyring));
        Ok(())
    }

    /// Waits until the tenant document provides the keys. Returns `None` when the shutdown comes first.
    pub(super) async fn wait_for_keys(
        &self,
        tenants: &TenantSnapshots,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Option<Arc<Keyring>> {
        while !*shutdown.borrow() {
            if let Some(keyring) = self.keyring.get() {
                return Some(Arc::clone(keyring));
            }
            if let Some(table) = tenants.load() {
                let taken = match self.keys.keyring(self.backend.path(), Some(&*table)) {
                    Ok(keyring) => self.log_unknown_keys(&keyring).await.map(|()| keyring),
                    Err(error) => Err(error),
                };
                match taken {
                    Ok(keyring) => drop(self.keyring.set(Arc::new(keyring))),
                    Err(error) => {
                        tracing::error!(%error, "the event store has no usable key; notifications are refused");
                        pause(KEY_RETRY_INTERVAL, shutdown).await;
                    }
                }
            } else {
                pause(DOCUMENT_POLL_INTERVAL, shutdown).await;
            }
        }
        None
    }
}

/// How often the start checks whether the tenant document is loaded.
const DOCUMENT_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How often a document without a usable key is read again.
const KEY_RETRY_INTERVAL: Duration = Duration::from_secs(5);
