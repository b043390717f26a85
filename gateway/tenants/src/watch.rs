//! The running tenants, and the task that keeps them up to date.

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

use kyc_model::{Tenant, TenantTable};
use kyc_telemetry::Metrics;

use crate::document::{Document, DocumentError, OnfidoHosts};
use crate::source::{Source, SourceError, causes};

pub use reload::{Failure, Look, Outcome, Reload};

/// The running tenants: one table, swapped as a whole. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tenants(Arc<ArcSwapOption<TenantTable>>);

/// The state of one watch.
struct Watcher {
    source: Box<dyn Source>,
    tenants: Tenants,
    metrics: Metrics,
    settings: WatchSettings,
    hashes: RandomState,
    reload: Reload,
    /// Of the document that is running.
    running: Option<u64>,
    /// Of the document that was read last.
    seen: Option<u64>,
    /// What the running document holds.
    found: Look,
}

/// Why a look did not succeed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("cannot read the tenant document")]
    Source(#[from] SourceError),
    #[error("cannot use the tenant document")]
    Document(#[from] DocumentError),
}

// === impl Tenants ===

impl Tenants {
    /// The table as it is now; `None` while no document was ever loaded.
    pub fn load(&self) -> Option<Arc<TenantTable>> {
        self.0.load_full()
    }

    /// Puts another table in place. Requests under way keep the one they began with.
    pub fn replace(&self, table: Arc<TenantTable>) {
        self.0.store(Some(table));
    }
}

/// How a source is watched.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// How often it is looked at; more than zero.
    pub poll: Duration,
    /// Where API tokens may go.
    pub hosts: OnfidoHosts,
    /// Whether some route refuses certificates and tokens for a tenant that names no callers.
    pub callers_are_needed: bool,
}

/// Keeps `tenants` as `source` says, until `shutdown`: looks at once, then each [`WatchSettings::poll`], and when
/// `reload` asks.
///
/// What cannot be read or used leaves the last good table in place and is retried, after one second at first
/// and then ever later up to `poll`. `on_first_load` is called once, when the first table is in place.
pub async fn watch(
    source: Box<dyn Source>,
    tenants: Tenants,
    metrics: Metrics,
    settings: WatchSettings,
    reload: Reload,
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
        found: Look::default(),
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
                // Whoever waits wants it to be read.
                self.seen = None;
            }
            let looked = self.look().await;
            let outcome = self.outcome(&looked);
            for waiting in waiting {
                // Whoever went away does not hear it.
                let _ = waiting.send(outcome.clone());
            }
            let pause = match looked {
                Ok(()) => {
                    if let Some(first) = on_first_load.take() {
                        first();
                    }
                    retries = self.retries();
                    let due =
                        self.source.next_look().map(|due| due.saturating_duration_since(Instant::now()));
                    due.map_or(self.settings.poll, |due| self.settings.poll.min(due.max(SHORTEST)))
                }
                Err(error) => {
                    self.metrics.tenants_polled("failed");
                    let source = self.source.describe();
                    warn!(%source, error = causes(&error), "tenants not refreshed");
                    retries.next().map_or(self.settings.poll, |pause| pause.min(self.settings.poll))
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.reload.asked() => {
                    info!("looking at the tenant document, as asked");
                    // Whoever asks wants it to be read.
                    self.seen = None;
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), LookError> {
        // Only a document that is in use may be passed over: one that was refused is reported again.
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

    /// The same for whoever asked for the look.
    fn outcome(&self, looked: &Result<(), LookError>) -> Outcome {
        match looked {
            Ok(()) => Ok(Look {
                source: self.source.describe(),
                version: self.source.version(),
                ..self.found.clone()
            }),
            Err(error) => {
                let text = format!("{}: {}", self.source.describe(), causes(error));
                Err(match error {
                    LookError::Source(_) => Failure::Source(text),
                    LookError::Document(_) => Failure::Document(text),
                })
            }
        }
    }

    async fn read(&mut self) -> Result<&'static str, LookError> {
        let text = self.source.read().await?;
        let hash = self.hashes.hash_one(text.reveal());
        self.seen = Some(hash);
        if self.running == Some(hash) {
            self.found =
                Look { added: Vec::new(), changed: Vec::new(), removed: Vec::new(), ..self.found.clone() };
            return Ok("unchanged");
        }
        let previous = self.tenants.load();
        let document =
            Document::parse_within(text.reveal().as_bytes(), previous.as_deref(), &self.settings.hosts)?;
        self.apply(document);
        self.running = Some(hash);
        Ok("changed")
    }

    fn apply(&mut self, document: Document) {
        for tenant in document.tenants.iter() {
            if self.settings.callers_are_needed && tenant.callers.is_none() {
                warn!(tenant = %tenant.name, "this tenant names no callers, so that certificates and tokens are refused");
            }
            self.metrics.tenant_known(tenant.name.as_str());
            for field in tenant.exposed() {
                warn!(tenant = %tenant.name, field, "this tenant's secrets go out without TLS");
            }
        }
        let (tenants, refused) = (document.tenants.len(), document.refused.len());
        for refusal in &document.refused {
            warn!(error = %refusal, "tenant refused");
        }
        for misspelt in &document.misspelt {
            warn!(error = %misspelt, "a field of a tenant is ignored");
        }
        for name in &document.kept {
            warn!(tenant = %name, "this tenant stays as it was, since its entry is refused");
        }
        self.found = compare(self.tenants.load().as_deref(), &document);
        self.tenants.replace(Arc::new(document.tenants));
        self.metrics.tenants.set(gauge(tenants));
        self.metrics.tenants_refused.set(gauge(refused));
        info!(source = self.source.describe(), tenants, refused, "tenants changed");
    }

    fn retries(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(FIRST_RETRY.min(self.settings.poll))
            .with_max_delay(self.settings.poll)
            .with_jitter()
            .without_max_times()
            .build()
    }
}

/// What a document changes.
fn compare(before: Option<&TenantTable>, document: &Document) -> Look {
    let names = |table: &TenantTable, is_meant: &dyn Fn(&Tenant) -> bool| {
        let meant = table.iter().filter(|tenant| is_meant(tenant));
        let mut names: Vec<String> = meant.map(|tenant| tenant.name.as_str().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let known = |name: &str| before.and_then(|table| table.by_name(name));
    let is_other = |tenant: &Tenant| {
        known(tenant.name.as_str()).is_some_and(|other| other.fingerprint != tenant.fingerprint)
    };
    let is_gone = |tenant: &Tenant| document.tenants.by_name(tenant.name.as_str()).is_none();
    Look {
        tenants: document.tenants.len(),
        added: names(&document.tenants, &|tenant| known(tenant.name.as_str()).is_none()),
        changed: names(&document.tenants, &is_other),
        removed: before.map(|table| names(table, &is_gone)).unwrap_or_default(),
        refused: document.refused.iter().map(ToString::to_string).collect(),
        kept: document.kept.iter().map(ToString::to_string).collect(),
        ..Look::default()
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// No source is looked at more often, whatever it wants.
const SHORTEST: Duration = Duration::from_millis(200);
/// Until jitter stretches it.
const FIRST_RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
