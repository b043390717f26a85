//! Errors of the event store: why a command failed, and why a store cannot be opened.

use std::path::PathBuf;

/// A command or a read that failed. The store is unchanged, except after a timeout or a lost connection: then the command
/// may still have been committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, or the store has reached `events.max_size`.
    #[error("the event store is full: events.max_size is reached, or the disk has no space left")]
    Full,
    /// SQLite's write-ahead log has reached `events.max_wal_size`, because a long read prevents checkpoints.
    #[error(
        "the event store's write-ahead log has reached events.max_wal_size; end the long read, such as a backup"
    )]
    LogFull,
    /// The tenant has used its share of the store.
    #[error(
        "the tenant has used its share of the event store (events.max_size_per_tenant, events.max_events_per_tenant)"
    )]
    Share,
    /// The queue of commands is full.
    #[error("the event store's commit queue is full")]
    Busy,
    /// `events.key_document` is set, and the tenant document is not loaded yet or has no such value.
    #[error("the event store has no key yet: the tenant document has not provided events.key_document")]
    Keyless,
    /// SQLite or the integrity check has found the file damaged.
    #[error("the event store is damaged, restore it from a backup: {0}")]
    Damaged(String),
    /// The shutdown interrupted a long read.
    #[error("the read of the event store was interrupted")]
    Interrupted,
    /// The store is not open yet, or it did not answer in time.
    #[error("the event store is not open or did not answer in time")]
    Unavailable,
    /// Another error of SQLite or PostgreSQL.
    #[error("the event store failed: {0}")]
    Engine(String),
}

// === impl StoreError ===

impl StoreError {
    /// Returns the name for the label `reason` of metrics and the field `reason` of log lines.
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

/// Why a store cannot be opened. The gateway then does not start: it never creates a new store in place of one that it
/// cannot read, because the events of the old one would be lost unnoticed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be created, written or locked.
    #[error("cannot write to {}: {reason}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        reason: String,
    },
    /// The file is damaged, or is not an event store.
    #[error("{} is damaged or not an event store: {reason}; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The error of SQLite, or the result of its integrity check.
        reason: String,
    },
    /// A newer release of the gateway has changed the tables.
    #[error(
        "{} has schema version {found}, this release supports up to {known}; install a newer release",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest schema version that this release supports.
        known: i64,
    },
    /// The store holds bodies encrypted with a key that is not configured.
    #[error(
        "{} holds events encrypted with key {key:08x}, which is not configured; add it to events.previous_key_file",
        path.display()
    )]
    KeyUnknown {
        /// The file.
        path: PathBuf,
        /// The id of the key, which is derived from it and reveals nothing about it.
        key: i64,
    },
    /// The generated key file exists, but the store that was created with it does not.
    #[error(
        "the key file {} exists, but the event store {} does not; restore the store, or remove the key file to create \
         a new store",
        key.display(), path.display()
    )]
    StoreMissing {
        /// The key file.
        key: PathBuf,
        /// The store.
        path: PathBuf,
    },
    /// Another file shows that a store was here: its write-ahead log, its lock file, or its renamed copy.
    #[error(
        "the event store {} does not exist, but {} shows that it did; restore the store, use the database it was \
         copied into, or move the file that remains away to create a new store",
        path.display(), trace.display()
    )]
    StoreGone {
        /// The store.
        path: PathBuf,
        /// The file that remains of it.
        trace: PathBuf,
    },
    /// `kyc-gateway events copy` has locked the store.
    #[error("`kyc-gateway events copy` is copying {} into a database; wait until it has ended", path.display())]
    Moving {
        /// The store.
        path: PathBuf,
    },
    /// The store exists, but its generated key file does not.
    #[error(
        "the event store {} exists, but its key file {} does not; restore the key file",
        path.display(), key.display()
    )]
    KeyMissing {
        /// The store.
        path: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// A key cannot be read, or is not 64 hexadecimal digits.
    #[error("cannot use the event store's key: {0}")]
    Key(String),
    /// The PostgreSQL database cannot be reached or used.
    #[error("cannot use the event store's database: {0}")]
    Database(String),
    /// SQLite did not apply a setting that durability depends on.
    #[error("SQLite does not apply `{pragma}` to {}, without which events can be lost", path.display())]
    Pragma {
        /// The file.
        path: PathBuf,
        /// The `PRAGMA` statement.
        pragma: &'static str,
    },
}
