//! `delivery = "stored"`: a notification is durable before it is answered, and is delivered afterwards.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kyc_model::{RequestId, SecretSource, Tenant};
use kyc_plugin_api::{Background, Build, Problem, ProblemKind, Surroundings};
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use crate::dispatch::{Dispatcher, Means};
use crate::fintechos::Portals;
use crate::metrics::{DispatchMetrics, StoreMetrics};
use crate::store::{
    Accepted, DeadReason, Inbox, KeySource, Keyring, NewEvent, NotOpen, OpenError, Postgres, Reader, Sqlite,
    StoreError, listen, now,
};
use crate::{Config, DispatchConfig, Event};

/// Where events are.
enum Engine {
    /// A file, in which one process at a time delivers.
    Sqlite { path: PathBuf, store: Sqlite },
    /// A database, from which every gateway delivers what it claims.
    Postgres { source: SecretSource, lease: Duration, store: OnceLock<Postgres> },
}

/// The store of one route and what is needed to deliver from it.
pub(crate) struct Stored {
    engine: Engine,
    keys: KeySource,
    keyring: OnceLock<Arc<Keyring>>,
    pub(crate) inbox: Inbox,
    /// For operators; the dispatcher has its own.
    pub(crate) reader: Mutex<Box<dyn Reader>>,
    portals: Arc<Portals>,
    dispatch: DispatchConfig,
    keep_delivered: Duration,
    metrics: DispatchMetrics,
}

// === impl Stored ===

impl Stored {
    /// Prepares everything but the file.
    pub(crate) fn new(config: &Config, portals: Arc<Portals>, build: &Build<'_>) -> Result<Self, String> {
        let store = &config.store;
        let path = build.folder.join(&store.path);
        let source = |file: &Option<PathBuf>, variable: &Option<String>| match (file, variable) {
            (Some(file), _) => Some(SecretSource::File(build.folder.join(file))),
            (None, Some(variable)) => Some(SecretSource::Env(variable.clone())),
            (None, None) => None,
        };
        let engine = match source(&store.postgres_file, &store.postgres_env) {
            // Longer than a try and its record take.
            Some(source) => {
                Engine::Postgres { source, lease: config.dispatch.attempt * 2, store: OnceLock::new() }
            }
            None => Engine::Sqlite { store: Sqlite::new(&path, store.max_size.as_u64()), path },
        };
        Ok(Self {
            reader: Mutex::new(Box::new(NotOpen)),
            engine,
            keys: KeySource {
                current: source(&store.key_file, &store.key_env),
                previous: source(&store.previous_key_file, &store.previous_key_env),
            },
            keyring: OnceLock::new(),
            inbox: Inbox::new(StoreMetrics::new(build.collectors)?),
            portals,
            dispatch: config.dispatch.clone(),
            keep_delivered: store.keep_delivered,
            metrics: DispatchMetrics::new(build.collectors)?,
        })
    }

    /// Makes a notification durable; without an event it is one that cannot be delivered, and is kept as such.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unavailable`]: Onfido is to send it again.
    pub(crate) async fn accept(
        &self,
        tenant: &Tenant,
        body: &Bytes,
        event: Option<&Event>,
        request_id: RequestId,
    ) -> Result<Accepted, Problem> {
        let unavailable = |error: StoreError| {
            Problem::new(ProblemKind::Unavailable, "notification not stored").because(error)
        };
        let keyring = self.keyring.get().ok_or_else(|| unavailable(StoreError::Away))?;
        let (uid, name) = (Uuid::now_v7(), tenant.name.as_str());
        let sealed = keyring
            .seal(uid, name, body)
            .map_err(|error| Problem::new(ProblemKind::Internal, "notification not sealed").because(error))?;
        let new = NewEvent {
            uid,
            tenant: name.to_owned(),
            dedup: keyring.dedup(name, body),
            kind: event.map(|event| searchable(event.action())).unwrap_or_default(),
            resource: event.and_then(|event| event.resource().map(searchable)),
            body: sealed,
            received: now(),
            trace: request_id.to_string(),
            dead: event.is_none().then_some(DeadReason::Poison),
        };
        let accepted = self.inbox.accept(new).await.map_err(unavailable)?;
        if event.is_none() && accepted == Accepted::Stored {
            self.metrics.dead.with_label_values(&[name, DeadReason::Poison.name()]).inc();
        }
        Ok(accepted)
    }
}

#[async_trait]
impl Background for Stored {
    fn name(&self) -> &'static str {
        "webhook dispatch"
    }

    async fn prepare(&self) -> Result<(), String> {
        let text = |error: OpenError| error.to_string();
        let keyring = match &self.engine {
            Engine::Sqlite { path, store } => {
                let keyring = self.keys.keyring(Some(path)).map_err(text)?;
                store.prepare(&keyring).await.map_err(text)?;
                keyring
            }
            Engine::Postgres { source, lease, store } => {
                let keyring = self.keys.keyring(None).map_err(text)?;
                let url = source.read().map_err(|error| format!("the database's address: {error}"))?;
                let database = Postgres::new(url, *lease);
                database.prepare(&keyring).await.map_err(text)?;
                // Prepared twice, the first address stays: it is the same.
                let _ = store.set(database);
                keyring
            }
        };
        let _ = self.keyring.set(Arc::new(keyring));
        Ok(())
    }

    async fn run(&self, surroundings: Surroundings) {
        let Some(keyring) = self.keyring.get() else { return };
        let Surroundings { tenants, mut shutdown } = surroundings;
        // The writer stays until the process ends: requests that are under way still need it.
        let (reader, _only) = match &self.engine {
            Engine::Sqlite { path, store } => {
                tokio::spawn(self.inbox.serve(Box::new(store.writer())));
                *self.reader.lock().await = Box::new(store.reader());
                let Some(only) = lock(path, &mut shutdown).await else { return };
                (Box::new(store.reader()) as Box<dyn Reader>, Some(only))
            }
            Engine::Postgres { store, .. } => {
                let Some(store) = store.get() else { return };
                tokio::spawn(self.inbox.serve(Box::new(store.writer())));
                tokio::spawn(listen(store.clone(), self.inbox.clone(), shutdown.clone()));
                *self.reader.lock().await = Box::new(store.reader());
                (Box::new(store.reader()) as Box<dyn Reader>, None)
            }
        };
        let means = Means {
            config: self.dispatch.clone(),
            keep_delivered: self.keep_delivered,
            inbox: self.inbox.clone(),
            keyring: Arc::clone(keyring),
            portals: Arc::clone(&self.portals),
            tenants,
            metrics: self.metrics.clone(),
        };
        Dispatcher::new(means, reader).run(shutdown).await;
    }
}

/// Texts for searches only: no database takes a NUL in one, and a few words are enough.
fn searchable(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(200).collect()
}

/// Waits until this is the only process that delivers from the store. The system frees the lock with the process,
/// however that ends. `None` when the shutdown comes first, or the lock cannot be had at all.
async fn lock(store: &Path, shutdown: &mut watch::Receiver<bool>) -> Option<File> {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let mut told = false;
    while !*shutdown.borrow() {
        let file = File::options().create(true).append(true).open(&path);
        match file.map_err(TryLockError::Error).and_then(|file| file.try_lock().map(|()| file)) {
            Ok(file) => return Some(file),
            Err(TryLockError::WouldBlock) if told => {}
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(store = %store.display(), "another process delivers from this store; waiting for it");
                told = true;
            }
            Err(TryLockError::Error(error)) => {
                tracing::error!(lock = %path.display(), %error, "the store cannot be locked, so nothing is delivered");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            _ = shutdown.changed() => {}
        }
    }
    None
}

const AGAIN: Duration = Duration::from_millis(500);
