//! An event store from which this gateway delivers, with the background tasks of its file.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kyc_model::TenantSnapshots;
use kyc_resilience::supervised;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::backend::Opened;
use super::event_store::EventStore;
use super::{integrity, wal};
use crate::{Keyring, Reader, Sqlite, listen, lock_for_delivery};

/// Creates readers, one for each task that reads.
pub type Readers = Arc<dyn Fn() -> Box<dyn Reader> + Send + Sync>;

/// A started store. For a SQLite file it exists once at a time, because it holds the delivery lock; for a database each
/// gateway has one.
pub struct RunningStore<'a> {
    store: Opened<'a>,
    keyring: Arc<Keyring>,
    /// The exclusive lock of the one process that delivers from a SQLite file.
    _delivery_lock: Option<File>,
    /// The integrity check and the checkpoints of a SQLite file.
    tasks: JoinSet<()>,
}

// === impl EventStore ===

impl EventStore {
    /// Waits for the keys, starts the writer, and waits until no other process delivers from the file. Returns `None` when
    /// the shutdown comes first, or the store is not open.
    ///
    /// The writer starts before the delivery lock is taken: during an upgrade the new process stores notifications while the
    /// old one still delivers.
    pub async fn start(
        &self,
        tenants: &TenantSnapshots,
        mut shutdown: watch::Receiver<bool>,
    ) -> Option<RunningStore<'_>> {
        let store = self.backend.opened()?;
        let tasks = match &store {
            Opened::Sqlite(store) => self.start_file_tasks(store, &shutdown),
            Opened::Postgres(_) => JoinSet::new(),
        };
        // Before the keys, so that operators can list and count events while the tenant document is missing.
        *self.reader.lock().await = store.reader();
        let keyring = self.wait_for_keys(tenants, &mut shutdown).await?;
        // The writer runs until the process ends: requests in flight need it during the drain.
        tokio::spawn(self.commit_queue.serve(store.writers()));
        let delivery_lock = match &store {
            Opened::Sqlite(store) => Some(lock_for_delivery(store.path(), &mut shutdown).await?),
            Opened::Postgres(store) => {
                let (store, commit_queue, stop) =
                    ((*store).clone(), self.commit_queue.clone(), shutdown.clone());
                let work = move || listen(store.clone(), commit_queue.clone(), stop.clone());
                tokio::spawn(supervised("database listener", shutdown.clone(), work));
                None
            }
        };
        self.is_started.store(true, Ordering::Release);
        Some(RunningStore { store, keyring, _delivery_lock: delivery_lock, tasks })
    }

    /// Starts the integrity check and the checkpoints of a SQLite file in the background.
    fn start_file_tasks(&self, store: &Sqlite, shutdown: &watch::Receiver<bool>) -> JoinSet<()> {
        let (commit_queue, stop) = (self.commit_queue.clone(), shutdown.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(integrity::check(store.clone(), commit_queue.clone(), stop.clone()));
        let store = store.clone();
        let work = move || wal::run_checkpoints(store.clone(), commit_queue.clone(), stop.clone());
        tasks.spawn(supervised("checkpoints", shutdown.clone(), work));
        tasks
    }
}

// === impl RunningStore ===

impl RunningStore<'_> {
    /// Returns the keys of the store.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Creates a reader.
    pub fn reader(&self) -> Box<dyn Reader> {
        self.store.reader()
    }

    /// Returns a function that creates readers.
    pub fn readers(&self) -> Readers {
        self.store.readers()
    }

    /// Waits for the background tasks, which end with the shutdown, and closes the file. In this order, because SQLite
    /// removes the write-ahead log only when the last connection closes.
    pub async fn close(mut self) {
        while self.tasks.join_next().await.is_some() {}
        if let Opened::Sqlite(store) = &self.store
            && let Err(error) = store.close().await
        {
            tracing::warn!(%error, "cannot close the event store; keep its write-ahead log together with the file");
        }
    }
}

impl std::fmt::Debug for RunningStore<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningStore").finish_non_exhaustive()
    }
}
