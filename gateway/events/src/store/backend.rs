//! The engine that events are stored with.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kyc_model::SecretSource;

use crate::{Extent, Keyring, OpenError, Postgres, Reader, Share, Sqlite, Writer};

/// Where events are.
pub(crate) enum Backend {
    /// A file, in which one process at a time delivers.
    Sqlite(Sqlite),
    /// A database, from which every gateway delivers what it claims.
    Postgres { source: SecretSource, lease: Duration, share: Share, store: OnceLock<Postgres> },
}

// === impl Backend ===

/// An engine that can be read and written.
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

    /// The engine, once it is open.
    pub(crate) fn opened(&self) -> Option<Opened<'_>> {
        match self {
            Self::Sqlite(store) => Some(Opened::Sqlite(store)),
            Self::Postgres { store, .. } => store.get().map(Opened::Postgres),
        }
    }

    /// The keys of the oldest and newest events that are not in the keyring.
    pub(crate) async fn unknown_keys(&self, keyring: &Keyring) -> Result<Vec<i64>, OpenError> {
        match self.opened() {
            Some(Opened::Sqlite(store)) => store.unknown_keys(keyring, Extent::Ends).await,
            Some(Opened::Postgres(store)) => store.unknown_keys(keyring, Extent::Ends).await,
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

    /// Makes readers, as many as are asked for.
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

    /// Makes writers: one at a time.
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
