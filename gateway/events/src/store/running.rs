//! A store while its gateway delivers from it.

use std::fs::File;
use std::sync::Arc;

use kyc_model::TenantSnapshots;
use kyc_resilience::supervised;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::backend::Opened;
use super::event_store::EventStore;
use super::{integrity, wal};
use crate::{Keyring, Reader, Sqlite, listen, lock};

/// Makes readers, as many as are asked for.
pub type Readers = Arc<dyn Fn() -> Box<dyn Reader> + Send + Sync>;

/// The one place from which a file is delivered, or one of several for a database.
pub struct Running<'a> {
    store: Opened<'a>,
    keyring: Arc<Keyring>,
    /// The lock on the file that says that this process delivers from it.
    _only: Option<File>,
    /// What looks after the file.
    tasks: JoinSet<()>,
}

// === impl EventStore ===

impl EventStore {
    /// Begins to write what comes in, and waits for the keys and until no other process delivers from the file. `None` when
    /// the shutdown comes first, or the store is not open.
    pub async fn start(
        &self,
        tenants: &TenantSnapshots,
        mut shutdown: watch::Receiver<bool>,
    ) -> Option<Running<'_>> {
        let store = self.backend.opened()?;
        let tasks = match &store {
            Opened::Sqlite(store) => self.watch_file(store, &shutdown),
            Opened::Postgres(_) => JoinSet::new(),
        };
        *self.reader.lock().await = store.reader();
        let keyring = self.wait_for_keys(tenants, &mut shutdown).await?;
        // The writer stays until the process ends: requests that are under way still need it.
        tokio::spawn(self.commit_queue.serve(store.writers()));
        let only = match &store {
            Opened::Sqlite(store) => Some(lock(store.path(), &mut shutdown).await?),
            Opened::Postgres(store) => {
                let (store, commit_queue, seen) =
                    ((*store).clone(), self.commit_queue.clone(), shutdown.clone());
                let work = move || listen(store.clone(), commit_queue.clone(), seen.clone());
                tokio::spawn(supervised("announcements", shutdown.clone(), work));
                None
            }
        };
        Some(Running { store, keyring, _only: only, tasks })
    }

    /// Begins what looks after a file beside the work.
    fn watch_file(&self, store: &Sqlite, shutdown: &watch::Receiver<bool>) -> JoinSet<()> {
        let (commit_queue, seen) = (self.commit_queue.clone(), shutdown.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(integrity::check(store.clone(), commit_queue.clone(), seen.clone()));
        let store = store.clone();
        let work = move || wal::keep_short(store.clone(), commit_queue.clone(), seen.clone());
        tasks.spawn(supervised("write-ahead log", shutdown.clone(), work));
        tasks
    }
}

// === impl Running ===

impl Running<'_> {
    /// The keys of the store.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Makes a reader.
    pub fn reader(&self) -> Box<dyn Reader> {
        self.store.reader()
    }

    /// Makes readers, as many as are asked for.
    pub fn readers(&self) -> Readers {
        self.store.readers()
    }

    /// Waits for what looks after the file, which ends with the shutdown, and closes the file: it can be closed only when
    /// nobody reads it.
    pub async fn close(mut self) {
        while self.tasks.join_next().await.is_some() {}
        if let Opened::Sqlite(store) = &self.store
            && let Err(error) = store.close().await
        {
            tracing::warn!(%error, "the write-ahead log stays beside the store; it belongs to it");
        }
    }
}

impl std::fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}
