//! Errors of the store.

use std::path::PathBuf;

/// A command or a read that failed and changed nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk, or the store has reached its size.
    #[error("the event store is full")]
    Full,
    /// SQLite's write-ahead log has reached its limit.
    #[error("the event store's write-ahead log is at its limit")]
    LogFull,
    /// The tenant has used its share of the store.
    #[error("the tenant's events take its whole share of the event store")]
    Share,
    /// The queue of commands is full.
    #[error("the event store does not keep up")]
    Busy,
    /// The key comes with the tenant document, which was not loaded yet or lacks it.
    #[error("the event store has no key yet")]
    Keyless,
    /// The file was found damaged.
    #[error("the event store is damaged: {0}")]
    Damaged(String),
    /// A read was cancelled before its end.
    #[error("the event store was not read to the end")]
    Interrupted,
    /// Not open yet, or no answer in time.
    #[error("the event store does not answer")]
    Unavailable,
    /// Another error of the engine.
    #[error("the event store failed: {0}")]
    Engine(String),
}

// === impl StoreError ===

impl StoreError {
    /// The name in metrics and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::LogFull => "wal",
            Self::Share => "share",
            Self::Busy => "busy",
            Self::Keyless => "keyless",
            Self::Damaged(_) => "damaged",
            Self::Interrupted => "interrupted",
            Self::Unavailable => "away",
            Self::Engine(_) => "engine",
        }
    }
}

/// Why a store is not opened. The texts are for the operator; a new store is never begun in the place of an old
/// one that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written to.
    #[error("cannot write to {}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is no store, or damaged.
    #[error("{} is damaged or no event store: {reason}; restore it from a copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// A newer release has written it.
    #[error("{} has version {found}, and this release knows up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// Its bodies are sealed with a key that is not configured.
    #[error("{} holds events under key {key:08x}, which is neither the current key nor a previous one", path.display())]
    KeyUnknown {
        /// The file.
        path: PathBuf,
        /// The key's id.
        key: i64,
    },
    /// The key was made here once, and the events under it are gone.
    #[error("{} is there, but the store {} is not: restore the store, or remove the key to begin anew", key.display(), path.display())]
    StoreMissing {
        /// The key file.
        key: PathBuf,
        /// The store.
        path: PathBuf,
    },
    /// There was a store once.
    #[error("{} is there, but the store {} is not: restore it, use the database that it was copied into, or move what is left of it away to begin anew", trace.display(), path.display())]
    StoreGone {
        /// The store.
        path: PathBuf,
        /// What is left of it.
        trace: PathBuf,
    },
    /// The store is being moved into a database.
    #[error("{} is being copied into a database", path.display())]
    Moving {
        /// The store.
        path: PathBuf,
    },
    /// The store is there, and its key is not.
    #[error("{} is there, but its key {} is not: restore the key", path.display(), key.display())]
    KeyMissing {
        /// The store.
        path: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The key cannot be read.
    #[error("the store's key: {0}")]
    Key(String),
    /// The database does not answer as it should.
    #[error("the event store's database: {0}")]
    Database(String),
    /// A setting of the engine that durability rests on did not take.
    #[error("{} does not take `{pragma}`, without which events can be lost", path.display())]
    Pragma {
        /// The file.
        path: PathBuf,
        /// The setting.
        pragma: &'static str,
    },
}
