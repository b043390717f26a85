//! `delivery = "stored"`: a notification is durable before it is answered, and is delivered afterwards.

mod audit;
mod check;
mod engine;
mod open;
mod wal;

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kyc_model::{SecretSource, Tenant};
use kyc_plugin_api::{
    Background, Build, ConfigError, ConfigErrors, Problem, ProblemKind, Surroundings, Warnings,
};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::dispatch::{Dispatcher, GIVING_BACK, Means, Status, Tenants, Unrecorded, supervised};
use crate::metrics::{DispatchMetrics, StoreMetrics, queue};
use crate::store::{
    Accepted, DeadReason, Inbox, KeyPlace, KeySource, Keyring, NewEvent, NotOpen, Owner, Reader, Sqlite,
    StoreError, check_address, listen, lock, now,
};
use crate::{Config, DispatchConfig};

pub(crate) use audit::StoredAudit;
pub(crate) use engine::{Engine, Opened};
use kyc_model::Correlation;
use kyc_model::Event;
use kyc_portal::Portals;

/// The store of one route and what is needed to deliver from it.
pub(crate) struct Stored {
    pub(crate) engine: Engine,
    pub(crate) keys: KeySource,
    pub(crate) keyring: OnceLock<Arc<Keyring>>,
    /// Says that this process uses the file, until it ends.
    used: OnceLock<File>,
    pub(crate) inbox: Inbox,
    /// For operators; the dispatcher has its own.
    pub(crate) reader: Mutex<Box<dyn Reader>>,
    portals: Arc<Portals>,
    dispatch: DispatchConfig,
    keep_delivered: Duration,
    keep_dead: Duration,
    keep_keys: Duration,
    metrics: DispatchMetrics,
    /// For operators, who name one.
    pub(crate) tenants: OnceLock<Tenants>,
    pub(crate) unrecorded: Unrecorded,
    /// How deliveries stand.
    pub(crate) status: Status,
}

// === impl Stored ===

impl Stored {
    /// Prepares everything but the file.
    pub(crate) fn new(
        config: &Config,
        portals: Arc<Portals>,
        build: &Build<'_>,
    ) -> Result<Self, ConfigErrors> {
        let store = &config.store;
        let source = |file: &Option<PathBuf>, variable: &Option<String>| match (file, variable) {
            (Some(file), _) => Some(SecretSource::File(build.folder.join(file))),
            (None, Some(variable)) => Some(SecretSource::Env(variable.clone())),
            (None, None) => None,
        };
        let key = |file, variable, document: &Option<String>| match source(file, variable) {
            Some(source) => Some(KeyPlace::Source(source)),
            None => document.clone().map(KeyPlace::Document),
        };
        let (share, max_wal) = (store.share(), store.max_wal_size.as_u64());
        let engine = match source(&store.postgres_file, &store.postgres_env) {
            Some(source) => {
                let key =
                    if store.postgres_file.is_some() { "store.postgres_file" } else { "store.postgres_env" };
                check_database(key, &source, build.warnings)?;
                // Longer than a try and its record take.
                let lease = config.dispatch.lease.unwrap_or(config.dispatch.attempt + RECORD);
                Engine::Postgres { source, lease, share, store: OnceLock::new() }
            }
            None => {
                let store = Sqlite::new(&build.folder.join(&store.path), store.max_size.as_u64());
                Engine::Sqlite(store.with_share(share).with_max_wal(max_wal))
            }
        };
        let status = Status::default();
        let metrics = DispatchMetrics::new(build.metrics, build.route, &status)?;
        let inbox = Inbox::new(StoreMetrics::new(build.metrics)?);
        queue(build.metrics, &inbox)?;
        Ok(Self {
            unrecorded: Unrecorded::new(metrics.unrecorded.clone()),
            status,
            reader: Mutex::new(Box::new(NotOpen)),
            engine,
            keys: KeySource {
                current: key(&store.key_file, &store.key_env, &store.key_document),
                previous: key(
                    &store.previous_key_file,
                    &store.previous_key_env,
                    &store.previous_key_document,
                ),
            },
            keyring: OnceLock::new(),
            used: OnceLock::new(),
            inbox,
            portals,
            dispatch: config.dispatch.clone(),
            keep_delivered: store.keep_delivered,
            keep_dead: store.keep_dead,
            keep_keys: store.keep_keys,
            metrics,
            tenants: OnceLock::new(),
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
        correlation: &Correlation,
    ) -> Result<Accepted, Problem> {
        let unavailable = |error: StoreError| {
            self.inbox.count_refused(tenant.name.as_str(), &error);
            tracing::warn!(
                request_id = correlation.request_id, tenant = %tenant.name, reason = error.name(), "notification not stored"
            );
            Problem::new(ProblemKind::Unavailable, "notification not stored").because(error)
        };
        let keyring = self.keyring.get().ok_or_else(|| unavailable(StoreError::Keyless))?;
        let (uid, name, owner) = (Uuid::now_v7(), tenant.name.as_str(), Owner::of(tenant));
        let sealed = keyring
            .seal(uid, &owner, body)
            .map_err(|error| Problem::new(ProblemKind::Internal, "notification not sealed").because(error))?;
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
        let accepted = self.inbox.accept(new).await.map_err(unavailable)?;
        if accepted == Accepted::Revived {
            tracing::info!(
                request_id = correlation.request_id,
                tenant = name,
                "a dead event came again and is tried again"
            );
        }
        if event.is_none() && accepted == Accepted::Stored {
            self.metrics.dead.with(&[name, DeadReason::Poison.name()]).inc();
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
        self.open().await.map_err(|error| error.to_string())
    }

    fn is_ready(&self) -> bool {
        !self.unrecorded.is_stuck() && !self.inbox.is_damaged()
    }

    async fn run(&self, surroundings: Surroundings) {
        let Surroundings { tenants, mut shutdown, drain } = surroundings;
        if drain < self.dispatch.attempt + GIVING_BACK {
            tracing::warn!(
                drain_s = drain.as_secs(),
                attempt_s = self.dispatch.attempt.as_secs(),
                "server.drain is shorter than dispatch.attempt and 5 s: a restart may deliver events twice"
            );
        }
        let Some(store) = self.engine.opened() else { return };
        let mut beside = match &store {
            Opened::Sqlite(store) => self.watch_file(store, &shutdown),
            Opened::Postgres(_) => JoinSet::new(),
        };
        let _ = self.tenants.set(Arc::clone(&tenants));
        *self.reader.lock().await = store.reader();
        let Some(keyring) = self.keyring(&tenants, &mut shutdown).await else { return };
        // The writer stays until the process ends: requests that are under way still need it.
        tokio::spawn(self.inbox.serve(store.writers()));
        let _only = match &store {
            Opened::Sqlite(store) => match lock(store.path(), &mut shutdown).await {
                Some(only) => Some(only),
                None => return,
            },
            Opened::Postgres(store) => {
                let (store, inbox, seen) = ((*store).clone(), self.inbox.clone(), shutdown.clone());
                let work = move || listen(store.clone(), inbox.clone(), seen.clone());
                tokio::spawn(supervised("announcements", shutdown.clone(), work));
                None
            }
        };
        let means = Means {
            config: self.dispatch.clone(),
            keep_delivered: self.keep_delivered,
            keep_dead: self.keep_dead,
            keep_keys: self.keep_keys,
            inbox: self.inbox.clone(),
            unrecorded: self.unrecorded.clone(),
            readers: store.readers(),
            status: self.status.clone(),
            keyring,
            portals: Arc::<Portals>::clone(&self.portals),
            tenants,
            metrics: self.metrics.clone(),
        };
        Dispatcher::new(means, store.reader()).run(shutdown, drain).await;
        // The file can be closed only when nobody reads it; the shutdown ends what does.
        while beside.join_next().await.is_some() {}
        if let Opened::Sqlite(store) = &store
            && let Err(error) = store.close().await
        {
            tracing::warn!(%error, "the write-ahead log stays beside the store; it belongs to it");
        }
    }
}

impl Stored {
    /// Begins what looks after a file beside the work.
    fn watch_file(&self, store: &Sqlite, shutdown: &watch::Receiver<bool>) -> JoinSet<()> {
        let (inbox, seen) = (self.inbox.clone(), shutdown.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(check::check(store.clone(), inbox.clone(), seen.clone()));
        let store = store.clone();
        let work = move || wal::keep_short(store.clone(), inbox.clone(), seen.clone());
        tasks.spawn(supervised("write-ahead log", shutdown.clone(), work));
        tasks
    }
}

/// Checks the database's address as soon as it is there; what is not there yet may still come.
fn check_database(key: &str, source: &SecretSource, warnings: &Warnings) -> Result<(), ConfigError> {
    match source.read().map(|url| check_address(&url)) {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(warning))) => warnings.add(format!("{key}: {warning}")),
        Ok(Err(error)) => return Err(ConfigError::at(key, error.to_string())),
        Err(error) => warnings.add(format!("{key}: {error}")),
    }
    Ok(())
}

/// Texts for searches only: no database takes a NUL in one, and a few words are enough.
fn searchable(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(200).collect()
}

/// How long it may take to record a try.
const RECORD: Duration = Duration::from_secs(30);
