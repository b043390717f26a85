//! Opens a store, and waits for its keys.

use std::fs::TryLockError;
use std::sync::Arc;
use std::time::Duration;

use kyc_model::{TenantSnapshots, TenantTable};
use tokio::sync::watch;

use super::backend::Backend;
use super::event_store::EventStore;
use super::pause::pause;
use crate::{Keyring, OpenError, Postgres, in_use};

impl EventStore {
    /// Opens the store, or makes it. To be called before anything is served, on any runtime.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub async fn open(&self) -> Result<(), OpenError> {
        if let Backend::Sqlite(store) = &self.backend {
            let used = in_use(store.path()).map_err(|error| match error {
                TryLockError::WouldBlock => OpenError::Moving { path: store.path().to_owned() },
                TryLockError::Error(error) => {
                    OpenError::Folder { path: store.path().to_owned(), reason: error.to_string() }
                }
            })?;
            // Opened twice, the first one stays: both say the same.
            let _ = self.used.set(used);
        }
        if let Backend::Sqlite(store) = &self.backend
            && self.keys.may_begin(store.path())
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
                // Prepared twice, the first address stays: it is the same.
                let _ = store.set(database);
            }
        }
        match self.keyring.get() {
            Some(keyring) => self.name_unknown_keys(keyring).await,
            None => Ok(()),
        }
    }

    /// Says which keys are missing. Events under them are parked when their time comes.
    async fn name_unknown_keys(&self, keyring: &Keyring) -> Result<(), OpenError> {
        let unknown = self.backend.unknown_keys(keyring).await?;
        if !unknown.is_empty() {
            let keys: Vec<String> = unknown.iter().map(|key| format!("{key:08x}")).collect();
            tracing::error!(
                keys = keys.join(" "),
                "the event store holds events under keys that are not configured; they are kept, and not delivered \
                 until their keys are given as previous keys"
            );
        }
        Ok(())
    }

    fn take_keys(&self, tenants: Option<&TenantTable>) -> Result<(), OpenError> {
        let keyring = self.keys.keyring(self.backend.path(), tenants)?;
        let _ = self.keyring.set(Arc::new(keyring));
        Ok(())
    }

    /// The keys, as soon as the tenant document has them. `None` when the shutdown comes first.
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
                    Ok(keyring) => self.name_unknown_keys(&keyring).await.map(|()| keyring),
                    Err(error) => Err(error),
                };
                match taken {
                    Ok(keyring) => drop(self.keyring.set(Arc::new(keyring))),
                    Err(error) => {
                        tracing::error!(%error, "notifications are refused until the store has its key");
                        pause(KEY_AGAIN, shutdown).await;
                    }
                }
            } else {
                pause(RETRY_INTERVAL, shutdown).await;
            }
        }
        None
    }
}

const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// How often a key that is not there is looked for.
const KEY_AGAIN: Duration = Duration::from_secs(5);
