//! The current tenants, and the task that keeps them up to date.
//!
//! The table is immutable and replaced as a whole (ADR 6), so that a request sees one consistent version of all tenants. A
//! failed poll changes nothing and is retried sooner than the next regular poll.

mod changes;
mod reload;

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;
use tracing::{info, warn};

use kyc_model::TenantTable;
use kyc_telemetry::Metrics;

use crate::document::{Document, DocumentError, OnfidoHosts};
use crate::source::{Source, SourceError, error_chain};

pub use changes::TenantChanges;
use changes::compare;
pub use reload::{ReloadError, ReloadHandle, ReloadResult};

/// The current tenants: one immutable table that is replaced as a whole. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tenants(Arc<ArcSwapOption<TenantTable>>);

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
}

/// Why a poll failed.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("cannot read the tenant document")]
    Source(#[from] SourceError),
    #[error("cannot use the tenant document")]
    Document(#[from] DocumentError),
}

// === impl Tenants ===

impl Tenants {
    /// Returns the current table; `None` before the first document is loaded.
    pub fn load(&self) -> Option<Arc<TenantTable>> {
        self.0.load_full()
    }

    /// Replaces the table. Requests in flight keep the table that they began with.
    pub fn replace(&self, table: Arc<TenantTable>) {
        self.0.store(Some(table));
    }
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
/// from one second up to `poll`. `on_first_load` is called once, after the first table is in place.
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
            let polled = self.poll().await;
            let result = self.reload_result(&polled);
            for waiting in waiting {
                // The error only means that the requester no longer waits.
                let _ = waiting.send(result.clone());
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
                    self.metrics.tenants_polled("failed");
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

    async fn poll(&mut self) -> Result<(), PollError> {
        // The read is skipped only if the last document is in use. A refused document is read and reported at every poll.
        let result = if self.running == self.seen && self.seen.is_some() && self.source.is_unchanged().await?
        {
            "unchanged"
        } else {
            self.read().await?
        };
        self.metrics.tenants_polled(result);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.metrics.tenants_refreshed.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        Ok(())
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
                })
            }
        }
    }

    /// Reads the document, and replaces the table if the document has changed. Returns the label `result`.
    async fn read(&mut self) -> Result<&'static str, PollError> {
        let text = self.source.read().await?;
        let hash = self.hashes.hash_one(text.reveal());
        self.seen = Some(hash);
        if self.running == Some(hash) {
            self.changes = TenantChanges {
                added: Vec::new(),
                changed: Vec::new(),
                removed: Vec::new(),
                ..self.changes.clone()
            };
            return Ok("unchanged");
        }
        let previous = self.tenants.load();
        let document =
            Document::parse_within(text.reveal().as_bytes(), previous.as_deref(), &self.settings.hosts)?;
        self.apply(document);
        self.running = Some(hash);
        Ok("changed")
    }

    /// Puts the tenants of a document in use, and logs what is wrong with it.
    fn apply(&mut self, document: Document) {
        for tenant in document.tenants.iter() {
            if self.settings.callers_required && tenant.callers.is_none() {
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
            warn!(error = %misspelt, "unknown field of a tenant ignored");
        }
        for name in &document.kept {
            warn!(tenant = %name, "entry refused; the tenant keeps its previous settings");
        }
        self.changes = compare(self.tenants.load().as_deref(), &document);
        self.tenants.replace(Arc::new(document.tenants));
        self.metrics.tenants.set(gauge(tenants));
        self.metrics.tenants_refused.set(gauge(refused));
        info!(source = self.source.describe(), tenants, refused, "tenants changed");
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
