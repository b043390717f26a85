//! The current tenants, and the task that keeps them up to date.
//!
//! The table is immutable and replaced as a whole (ADR 6), so that a request sees one consistent version of all tenants. A
//! failed poll changes nothing and is retried sooner than the next regular poll.

mod changes;
mod current;
mod reload;
mod removal;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;
use tracing::{info, warn};

use kyc_model::TenantName;
use kyc_telemetry::Metrics;

use crate::document::{Document, DocumentError, FieldHashes, OnfidoHosts};
use crate::source::{Source, SourceError, error_chain};

pub use changes::TenantChanges;
use changes::{compare, name_fields};
pub use current::Tenants;
pub use reload::{ReloadError, ReloadHandle, ReloadResult};
pub use removal::{MassRemoval, RefusedRemoval};

/// The state of the watch task.
struct Watcher {
    source: Box<dyn Source>,
    tenants: Tenants,
    metrics: Metrics,
    settings: WatchSettings,
    /// Documents are compared by a keyed hash, so that their text, with all secrets, is not kept in memory.
    hashes: RandomState,
    reload: ReloadHandle,
    /// The hash of the document in use.
    running: Option<u64>,
    /// The hash of the document that was read last; `None` forces the next poll to read it.
    seen: Option<u64>,
    /// The report about the document in use.
    changes: TenantChanges,
    /// The hashes of the fields of the tenants in use.
    fields: HashMap<TenantName, FieldHashes>,
}

/// Why a poll failed.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("cannot read the tenant document")]
    Source(#[from] SourceError),
    #[error("cannot use the tenant document")]
    Document(#[from] DocumentError),
    #[error("cannot use the tenant document")]
    Removal(#[from] RefusedRemoval),
}

/// The settings of the watch task.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// The time between two polls of the source; more than zero.
    pub poll: Duration,
    /// The hosts that API tokens may be sent to.
    pub hosts: OnfidoHosts,
    /// Whether a route refuses certificates and tokens for tenants without `callers`; then each such tenant is logged.
    pub callers_required: bool,
}

/// Keeps `tenants` up to date with `source` until `shutdown`. Polls at once, then every [`WatchSettings::poll`], and when
/// `reload` is requested.
///
/// A document that cannot be read or parsed leaves the current table in place. The task then retries with exponential backoff,
/// from one second up to `poll`. So does a document that removes most of the tenants, unless the request accepts that.
/// `on_first_load` is called once, after the first table is in place.
pub async fn watch(
    source: Box<dyn Source>,
    tenants: Tenants,
    metrics: Metrics,
    settings: WatchSettings,
    reload: ReloadHandle,
    shutdown: impl Future,
    on_first_load: impl FnOnce(),
) {
    let hashes = RandomState::new();
    let mut watcher = Watcher {
        source,
        tenants,
        metrics,
        settings,
        hashes,
        reload,
        running: None,
        seen: None,
        changes: TenantChanges::default(),
        fields: HashMap::new(),
    };
    tokio::select! {
        biased;
        _ = shutdown => {}
        () = watcher.run(on_first_load) => {}
    }
}

// === impl Watcher ===

impl Watcher {
    async fn run(&mut self, on_first_load: impl FnOnce()) {
        let mut on_first_load = Some(on_first_load);
        let mut retries = self.retries();
        loop {
            let waiting = self.reload.take_waiting();
            if !waiting.is_empty() {
                // A requested reload must read the document, even if the source reports no change.
                self.seen = None;
            }
            let accepts = waiting.iter().any(|waiting| waiting.removal == MassRemoval::Accept);
            let polled = self.poll(if accepts { MassRemoval::Accept } else { MassRemoval::Refuse }).await;
            let result = self.reload_result(&polled);
            for waiting in waiting {
                waiting.answer(result.clone());
            }
            let pause = match polled {
                Ok(()) => {
                    if let Some(first) = on_first_load.take() {
                        first();
                    }
                    retries = self.retries();
                    let due =
                        self.source.next_poll().map(|due| due.saturating_duration_since(Instant::now()));
                    due.map_or(self.settings.poll, |due| self.settings.poll.min(due.max(MIN_PAUSE)))
                }
                Err(error) => {
                    let source = self.source.describe();
                    warn!(%source, error = error_chain(&error), "cannot refresh the tenants; the current ones stay in use");
                    retries.next().map_or(self.settings.poll, |pause| pause.min(self.settings.poll))
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.reload.requested() => {
                    info!("reloading the tenant document on request");
                    self.seen = None;
                }
            }
        }
    }

    async fn poll(&mut self, removal: MassRemoval) -> Result<(), PollError> {
        let read = self.read(removal).await;
        let (result, is_read) = match &read {
            Ok(result) => (*result, true),
            // The source can be read. Only a source that cannot makes the gateway unready after `max_age`.
            Err(PollError::Removal(_)) => ("refused", true),
            Err(PollError::Source(_) | PollError::Document(_)) => ("failed", false),
        };
        self.metrics.tenants_polled(result);
        if is_read {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.metrics.tenants_refreshed.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        }
        read.map(drop)
    }

    /// Converts the result of a poll for the requesters of a reload.
    fn reload_result(&self, polled: &Result<(), PollError>) -> ReloadResult {
        match polled {
            Ok(()) => Ok(TenantChanges {
                source: self.source.describe(),
                version: self.source.version(),
                ..self.changes.clone()
            }),
            Err(error) => {
                let text = format!("{}: {}", self.source.describe(), error_chain(error));
                Err(match error {
                    PollError::Source(_) => ReloadError::Source(text),
                    PollError::Document(_) => ReloadError::Document(text),
                    PollError::Removal(_) => ReloadError::Removal(text),
                })
            }
        }
    }

    /// Reads the document, and replaces the table if the document has changed. Returns the label `result`.
    async fn read(&mut self, removal: MassRemoval) -> Result<&'static str, PollError> {
        // The read is skipped only if the last document is in use. A refused document is read and reported at every poll.
        if self.running == self.seen && self.seen.is_some() && self.source.is_unchanged().await? {
            return Ok("unchanged");
        }
        let text = self.source.read().await?;
        let hash = self.hashes.hash_one(text.reveal());
        self.seen = Some(hash);
        if self.running == Some(hash) {
            self.set_refused(None);
            self.changes = TenantChanges {
                added: Vec::new(),
                changed: Vec::new(),
                changed_fields: BTreeMap::new(),
                removed: Vec::new(),
                ..self.changes.clone()
            };
            return Ok("unchanged");
        }
        let previous = self.tenants.load();
        let document =
            Document::parse_within(text.reveal().as_bytes(), previous.as_deref(), &self.settings.hosts)?;
        let refused = previous.as_deref().and_then(|running| RefusedRemoval::of(&document, running));
        if let Some(refused) = refused.filter(|_| removal == MassRemoval::Refuse) {
            self.set_refused(Some(refused.clone()));
            return Err(refused.into());
        }
        self.set_refused(None);
        self.apply(document);
        self.running = Some(hash);
        Ok("changed")
    }

    /// Puts the tenants of a document in use, and logs what is wrong with it.
    fn apply(&mut self, mut document: Document) {
        // Whoever may call at all may act for an only tenant.
        let needs_callers = self.settings.callers_required && !document.tenants.is_sole();
        for tenant in document.tenants.iter() {
            if needs_callers && tenant.callers.is_none() {
                warn!(tenant = %tenant.name, "tenant has no callers; certificates and tokens are refused for it");
            }
            self.metrics.tenant_known(tenant.name.as_str());
            for field in tenant.exposed() {
                warn!(tenant = %tenant.name, field, "secrets of the tenant are sent without TLS");
            }
        }
        let (tenants, refused) = (document.tenants.len(), document.refused.len());
        for refusal in &document.refused {
            warn!(error = %refusal, "tenant refused");
        }
        for misspelt in &document.misspelt {
            warn!(error = %misspelt, "unknown field of the tenant document ignored");
        }
        for warning in &document.warnings {
            warn!(error = %warning, "setting of a tenant is probably a mistake");
        }
        for name in &document.kept {
            warn!(tenant = %name, "entry refused; the tenant keeps its previous settings");
        }
        self.changes = compare(self.tenants.load().as_deref(), &document);
        let mut fields = document.take_fields();
        let kept = document.kept.iter();
        fields.extend(kept.filter_map(|name| Some((name.clone(), self.fields.get(name)?.clone()))));
        name_fields(&mut self.changes, &self.fields, &fields);
        self.fields = fields;
        self.tenants.replace(Arc::new(document.tenants));
        self.metrics.tenants.set(gauge(tenants));
        self.metrics.tenants_refused.set(gauge(refused));
        info!(source = self.source.describe(), tenants, refused, "tenants changed");
    }

    /// Publishes whether the newest document is refused because it removes most of the tenants.
    fn set_refused(&self, refused: Option<RefusedRemoval>) {
        let count = refused.as_ref().map_or(0, |refused| refused.names.len());
        self.metrics.tenants_removal_refused.set(gauge(count));
        self.tenants.set_refused_removal(refused);
    }

    fn retries(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(FIRST_RETRY.min(self.settings.poll))
            .with_max_delay(self.settings.poll)
            // Several gateways that share a Vault must not retry at the same moment.
            .with_jitter()
            .without_max_times()
            .build()
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The shortest time between two polls, whatever [`Source::next_poll`] returns.
const MIN_PAUSE: Duration = Duration::from_millis(200);
/// The pause before the first retry; jitter can double it.
const FIRST_RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
