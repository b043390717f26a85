//! The one store of a gateway: an engine, its keys, and the writer that commits for all.
//!
//! It is made with the configuration and opened before anything is served. [`EventStore::start`] begins the writer and, for a
//! file, what looks after it; whoever delivers calls it once and closes what it gives at the end.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use kyc_model::{ConfigErrors, Problem, ProblemKind, SecretSource};
use kyc_telemetry::{CounterFamily, MetricsRegistry, names};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::EventsConfig;
use crate::event::NewEvent;
use crate::group_commit::CommitQueue;
use crate::group_commit::queue_length::register_queue_length;
use crate::intake::{Accepted, Intake, Notification};
use crate::key_source::{KeyPlace, KeySource};
use crate::metrics::StoreMetrics;
use crate::state::DeadReason;
use crate::store::backend::Backend;
use crate::time::now;
use crate::{Keyring, NotOpen, Owner, Reader, Sqlite, StoreError, check_address};

/// Stores notifications until they are delivered, and for a while afterwards.
pub struct EventStore {
    pub(crate) backend: Backend,
    pub(crate) keys: KeySource,
    pub(super) keyring: OnceLock<Arc<Keyring>>,
    /// The lock on the file that says that a process uses it.
    pub(super) used: OnceLock<File>,
    pub(super) commit_queue: CommitQueue,
    /// For operators; the dispatcher has its own.
    pub(super) reader: Mutex<Box<dyn Reader>>,
    retention: Retention,
    dead: CounterFamily<2>,
}

/// How long what is done is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Delivered events.
    pub delivered: Duration,
    /// Dead events.
    pub dead: Duration,
    /// By what notifications are known when they come again.
    pub keys: Duration,
}

// === impl EventStore ===

impl EventStore {
    /// Makes the store; opens and creates nothing. Paths count from `folder`. In PostgreSQL an event belongs for `lease` to
    /// the gateway that claims it. What an operator should know is added to `warnings`.
    ///
    /// # Errors
    ///
    /// All problems, by key.
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
            Some(source) => Some(KeyPlace::Source(source)),
            None => document.clone().map(KeyPlace::Document),
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
        let unregistered = |error: kyc_telemetry::MetricError| ConfigErrors::from(error);
        let commit_queue = CommitQueue::new(StoreMetrics::new(metrics).map_err(unregistered)?);
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
            used: OnceLock::new(),
            commit_queue,
            reader: Mutex::new(Box::new(NotOpen)),
            retention: Retention {
                delivered: config.keep_delivered,
                dead: config.keep_dead,
                keys: config.keep_keys,
            },
            dead: metrics
                .counter(names::EVENTS_DEAD, "Events given up.", &["tenant", "reason"])
                .map_err(unregistered)?,
        })
    }

    /// The way into the store.
    pub fn commit_queue(&self) -> &CommitQueue {
        &self.commit_queue
    }

    /// The reader for operators, one at a time; [`StoreError::Unavailable`] while the store is not open.
    pub async fn reader(&self) -> MutexGuard<'_, Box<dyn Reader>> {
        self.reader.lock().await
    }

    /// The keys, once they are known.
    ///
    /// # Errors
    ///
    /// [`StoreError::Keyless`] while they are not.
    pub fn keyring(&self) -> Result<&Arc<Keyring>, StoreError> {
        self.keyring.get().ok_or(StoreError::Keyless)
    }

    /// Whether keys come with the tenant document, so that no command line has them.
    pub fn has_key_in_document(&self) -> bool {
        self.keys.is_in_document()
    }

    /// How long what is done is kept.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Makes a notification durable; without an event it is one that cannot be delivered, and is kept as dead.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: Onfido is to send it again.
    pub async fn accept(&self, notification: &Notification<'_>) -> Result<Accepted, StoreError> {
        let Notification { tenant, body, event, correlation } = *notification;
        let done = self.insert(notification).await;
        match &done {
            Err(error) => {
                self.commit_queue.count_refused(tenant.name.as_str(), error);
                tracing::warn!(
                    request_id = correlation.request_id, tenant = %tenant.name, reason = error.name(),
                    bytes = body.len(), "notification not stored"
                );
            }
            Ok(Accepted::Revived) => tracing::info!(
                request_id = correlation.request_id, tenant = %tenant.name,
                "a dead event came again and is tried again"
            ),
            Ok(Accepted::Stored) if event.is_none() => {
                self.dead.with(&[tenant.name.as_str(), DeadReason::Poison.name()]).inc();
            }
            Ok(Accepted::Stored | Accepted::Duplicate | Accepted::Delivered) => {}
        }
        done
    }

    async fn insert(&self, notification: &Notification<'_>) -> Result<Accepted, StoreError> {
        let Notification { tenant, body, event, correlation } = *notification;
        let keyring = self.keyring()?;
        let (uid, owner) = (Uuid::now_v7(), Owner::of(tenant));
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
        };
        self.commit_queue.accept(new).await
    }

    /// Whether notifications can be stored as far as the file is concerned.
    pub fn is_damaged(&self) -> bool {
        self.commit_queue.is_damaged()
    }
}

#[async_trait]
impl Intake for EventStore {
    /// Within 5 s, whatever the deadline.
    async fn take(&self, notification: Notification<'_>, _deadline: Instant) -> Result<Accepted, Problem> {
        self.accept(&notification)
            .await
            .map_err(|error| Problem::new(ProblemKind::Unavailable, "notification not stored").because(error))
    }
}

impl fmt::Debug for EventStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStore").finish_non_exhaustive()
    }
}

/// Checks the database's address as soon as it is there; what is not there yet may still come.
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

/// Texts for searches only: no database takes a NUL in one, and a few words are enough.
fn searchable(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(200).collect()
}
