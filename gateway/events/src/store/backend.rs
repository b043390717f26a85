//! The engine of an event store: SQLite or PostgreSQL.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kyc_model::SecretSource;

use crate::{KeySearch, Keyring, OpenError, Postgres, Reader, Share, Sqlite, Writer};

/// The configured engine, open or not.
pub(crate) enum Backend {
    /// A SQLite file, from which one process at a time delivers.
    Sqlite(Sqlite),
    /// A PostgreSQL database, from which every gateway delivers the events that it claims. `store` is set once it is open:
    /// its address is read again at each start.
    Postgres { source: SecretSource, lease: Duration, share: Share, store: OnceLock<Postgres> },
}

// === impl Backend ===

/// An open engine.
pub(crate) enum Opened<'a> {
    Sqlite(&'a Sqlite),
    Postgres(&'a Postgres),
}

impl Backend {
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(store) => Some(store.path()),
            Self::Postgres { .. } => None,
        }
    }

    /// Returns the engine; `None` while PostgreSQL is not open.
    pub(crate) fn opened(&self) -> Option<Opened<'_>> {
        match self {
            Self::Sqlite(store) => Some(Opened::Sqlite(store)),
            Self::Postgres { store, .. } => store.get().map(Opened::Postgres),
        }
    }

    /// Returns the ids of keys that the oldest or newest events are encrypted with and that the keyring does not have.
    pub(crate) async fn unknown_keys(&self, keyring: &Keyring) -> Result<Vec<i64>, OpenError> {
        match self.opened() {
            Some(Opened::Sqlite(store)) => store.unknown_keys(keyring, KeySearch::OldestAndNewest).await,
            Some(Opened::Postgres(store)) => store.unknown_keys(keyring, KeySearch::OldestAndNewest).await,
            None => Ok(Vec::new()),
        }
    }
}

// === impl Opened ===

impl Opened<'_> {
    pub(crate) fn reader(&self) -> Box<dyn Reader> {
        match self {
            Self::Sqlite(store) => Box::new(store.reader()),
            Self::Postgres(store) => Box::new(store.reader()),
        }
    }

    /// Returns a function that creates readers.
    pub(crate) fn readers(&self) -> Arc<dyn Fn() -> Box<dyn Reader> + Send + Sync> {
        match *self {
            Self::Sqlite(store) => {
                let store = store.clone();
                Arc::new(move || Box::new(store.reader()))
            }
            Self::Postgres(store) => {
                let store = store.clone();
                Arc::new(move || Box::new(store.reader()))
            }
        }
    }

    /// Returns a function that creates writers. One is in use at a time; the commit queue replaces one that panicked.
    pub(crate) fn writers(&self) -> Box<dyn Fn() -> Box<dyn Writer> + Send> {
        match *self {
            Self::Sqlite(store) => {
                let store = store.clone();
                Box::new(move || Box::new(store.writer()))
            }
            Self::Postgres(store) => {
                let store = store.clone();
                Box::new(move || Box::new(store.writer()))
            }
        }
    }
}
