//! The event store of a gateway: an engine, its keys, and the queue to its only writer.
//!
//! It is created with the configuration and opened before a listener accepts. [`EventStore::start`] starts the writer and,
//! for a SQLite file, the integrity check and the checkpoints. The dispatcher calls it once, and closes the result at the
//! end.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use kyc_model::{ConfigErrors, Event, Problem, ProblemKind, SecretSource};
use kyc_telemetry::{CounterFamily, MetricError, MetricsRegistry, names};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::EventsConfig;
use crate::event::{NewEvent, searchable};
use crate::group_commit::CommitQueue;
use crate::group_commit::queue_length::register_queue_length;
use crate::intake::{Accepted, Intake, Notification};
use crate::key_source::{KeyLocation, KeySource};
use crate::metrics::StoreMetrics;
use crate::state::DeadReason;
use crate::store::backend::Backend;
use crate::time::now;
use crate::{
    ClosedReader, Keyring, Millis, Owner, Reader, Source, Sqlite, StoreError, Unwritten, check_address,
};

/// Stores notifications until they are delivered, and for a while afterwards.
pub struct EventStore {
    pub(crate) backend: Backend,
    pub(crate) keys: KeySource,
    pub(super) keyring: OnceLock<Arc<Keyring>>,
    /// The shared lock on the SQLite file, held while this process has it open.
    pub(super) use_lock: OnceLock<File>,
    pub(super) commit_queue: CommitQueue,
    /// The reader for the admin API; the dispatcher has its own.
    pub(super) reader: Mutex<Box<dyn Reader>>,
    /// Whether this gateway delivers from the store.
    pub(super) is_started: AtomicBool,
    /// Entries of the ledger that the store has not taken yet.
    pub(super) unwritten: Unwritten,
    retention: Retention,
    dead: CounterFamily<2>,
}

/// How long finished events and their deduplication keys are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// How long delivered events are kept (`events.keep_delivered`).
    pub delivered: Duration,
    /// How long dead events are kept (`events.keep_dead`).
    pub dead: Duration,
    /// How long the deduplication keys of deleted events are kept (`events.keep_keys`).
    pub keys: Duration,
    /// How long entries of the ledger are kept after their start (`events.keep_ledger`).
    pub ledger: Duration,
}

// === impl EventStore ===

impl EventStore {
    /// Creates the store from the configuration; opens no file and no connection. Relative paths start at `folder`. In
    /// PostgreSQL a claim of an event expires after `lease`. Warnings for the operator are added to `warnings`.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all problems of `[events]`, each with its key.
    pub fn new(
        config: &EventsConfig,
        folder: &Path,
        lease: Duration,
        metrics: &MetricsRegistry,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigErrors> {
        config.check()?;
        let source = |file: &Option<PathBuf>, variable: &Option<String>| match (file, variable) {
            (Some(file), _) => Some(SecretSource::File(folder.join(file))),
            (None, Some(variable)) => Some(SecretSource::Env(variable.clone())),
            (None, None) => None,
        };
        let key = |file, variable, document: &Option<String>| match source(file, variable) {
            Some(source) => Some(KeyLocation::Source(source)),
            None => document.clone().map(KeyLocation::Document),
        };
        let (share, max_wal) = (config.share(), config.max_wal_size.as_u64());
        let backend = match source(&config.postgres_file, &config.postgres_env) {
            Some(source) => {
                let key = if config.postgres_file.is_some() { "postgres_file" } else { "postgres_env" };
                check_database(key, &source, warnings)?;
                Backend::Postgres { source, lease, share, store: OnceLock::new() }
            }
            None => {
                let store = Sqlite::new(&folder.join(&config.path), config.max_size.as_u64());
                Backend::Sqlite(store.with_share(share).with_max_wal(max_wal))
            }
        };
        let unregistered = |error: MetricError| ConfigErrors::from(error);
        export_limits(config, &backend, metrics).map_err(unregistered)?;
        let store_metrics = StoreMetrics::new(metrics).map_err(unregistered)?;
        let unwritten = Unwritten::new(store_metrics.ledger.clone());
        let commit_queue = CommitQueue::new(store_metrics);
        register_queue_length(metrics, &commit_queue).map_err(unregistered)?;
        Ok(Self {
            backend,
            keys: KeySource {
                current: key(&config.key_file, &config.key_env, &config.key_document),
                previous: key(
                    &config.previous_key_file,
                    &config.previous_key_env,
                    &config.previous_key_document,
                ),
            },
            keyring: OnceLock::new(),
            use_lock: OnceLock::new(),
            commit_queue,
            reader: Mutex::new(Box::new(ClosedReader)),
            is_started: AtomicBool::new(false),
            unwritten,
            retention: Retention {
                delivered: config.keep_delivered,
                dead: config.keep_dead,
                keys: config.keep_keys,
                ledger: config.keep_ledger,
            },
            dead: metrics
                .counter(names::EVENTS_DEAD, "Events that became dead.", &["tenant", "reason"])
                .map_err(unregistered)?,
        })
    }

    /// Returns the queue of commands for the writer.
    pub fn commit_queue(&self) -> &CommitQueue {
        &self.commit_queue
    }

    /// Locks the reader of the admin API. Its reads fail with [`StoreError::Unavailable`] while the store is not open.
    pub async fn reader(&self) -> MutexGuard<'_, Box<dyn Reader>> {
        self.reader.lock().await
    }

    /// Returns whether this gateway delivers from the store. The reader can be used before: while another process delivers from
    /// a SQLite file.
    pub fn is_started(&self) -> bool {
        self.is_started.load(Ordering::Acquire)
    }

    /// Returns the keys.
    ///
    /// # Errors
    ///
    /// [`StoreError::Keyless`] while the tenant document with `events.key_document` is not loaded.
    pub fn keyring(&self) -> Result<&Arc<Keyring>, StoreError> {
        self.keyring.get().ok_or(StoreError::Keyless)
    }

    /// Returns whether a key comes with the tenant document, which commands without a gateway do not read.
    pub fn has_key_in_document(&self) -> bool {
        self.keys.is_in_document()
    }

    /// Returns how long finished events and their deduplication keys are kept.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Stores a notification durably. A body that is not an event can never be delivered, and is stored as dead (`poison`).
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it was not stored; the 503 that follows makes Onfido send the notification again.
    pub async fn store_notification(&self, notification: &Notification<'_>) -> Result<Accepted, StoreError> {
        let Notification { tenant, body, event, correlation } = *notification;
        let result = self.insert(notification, Source::Notification).await;
        match &result {
            Err(error) => {
                self.commit_queue.count_refused(tenant.name.as_str(), error);
                tracing::warn!(
                    request_id = correlation.request_id, tenant = %tenant.name, reason = error.name(),
                    bytes = body.len(), "notification not stored"
                );
            }
            Ok(Accepted::Revived) => tracing::info!(
                request_id = correlation.request_id, tenant = %tenant.name,
                "dead event received again; it is waiting for delivery"
            ),
            Ok(Accepted::Stored) if event.is_none() => {
                self.dead.with(&[tenant.name.as_str(), DeadReason::Poison.name()]).inc();
            }
            Ok(Accepted::Stored | Accepted::Duplicate | Accepted::Delivered | Accepted::Withheld) => {}
        }
        result
    }

    pub(super) async fn insert(
        &self,
        notification: &Notification<'_>,
        source: Source,
    ) -> Result<Accepted, StoreError> {
        let Notification { tenant, body, event, correlation } = *notification;
        let keyring = self.keyring()?;
        let (uid, owner) = (Uuid::now_v7(), Owner::of(tenant));
        // Encrypted here, in the task of the request, and not in the single writer, which would become the bottleneck.
        let sealed =
            keyring.seal(uid, &owner, body).map_err(|error| StoreError::Engine(error.to_string()))?;
        let new = NewEvent {
            uid,
            dedup: keyring.dedup(&owner, body),
            owner,
            kind: event.map(|event| searchable(event.action())).unwrap_or_default(),
            resource: event.and_then(|event| event.resource().map(searchable)),
            body: sealed,
            received: now(),
            trace: correlation.to_string(),
            dead: event.is_none().then_some(DeadReason::Poison),
            source,
            completed: event.and_then(Event::completed).and_then(unix_millis),
        };
        self.commit_queue.accept(new).await
    }

    /// Returns whether the store was found damaged, so it accepts no notifications.
    pub fn is_damaged(&self) -> bool {
        self.commit_queue.is_damaged()
    }
}

#[async_trait]
impl Intake for EventStore {
    /// Stores the notification. The time limit is that of the commit queue, 5 s, not the deadline.
    async fn accept(&self, notification: Notification<'_>, _deadline: Instant) -> Result<Accepted, Problem> {
        self.store_notification(&notification)
            .await
            .map_err(|error| Problem::new(ProblemKind::Unavailable, "notification not stored").because(error))
    }
}

impl fmt::Debug for EventStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStore").finish_non_exhaustive()
    }
}

/// Exports the limits of the store beside the values that they bound. PostgreSQL has only those of a tenant.
fn export_limits(
    config: &EventsConfig,
    backend: &Backend,
    metrics: &MetricsRegistry,
) -> Result<(), MetricError> {
    let events = config.max_events_per_tenant;
    metrics.limit(names::EVENT_STORE_MAX_EVENTS, "Limit of one tenant's events.", events)?;
    if let Backend::Sqlite(_) = backend {
        let bytes = config.max_size.as_u64();
        metrics.limit(names::EVENT_STORE_MAX, "Limit of the store's size in bytes.", bytes)?;
        let bytes = config.max_wal_size.as_u64();
        metrics.limit(names::EVENT_STORE_MAX_WAL, "Limit of the write-ahead log in bytes.", bytes)?;
    }
    Ok(())
}

/// Checks the database's address. A secret that cannot be read is only a warning: `check` may run where it is not mounted.
fn check_database(key: &str, source: &SecretSource, warnings: &mut Vec<String>) -> Result<(), ConfigErrors> {
    match source.read().map(|url| check_address(&url)) {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(warning))) => warnings.push(format!("events.{key}: {warning}")),
        Ok(Err(error)) => {
            let mut errors = ConfigErrors::default();
            errors.add(key, error.to_string());
            return Err(errors);
        }
        Err(error) => warnings.push(format!("events.{key}: {error}")),
    }
    Ok(())
}

/// Parses a time as Onfido writes it; `None` for any other text.
fn unix_millis(text: &str) -> Option<Millis> {
    let since = humantime::parse_rfc3339_weak(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
