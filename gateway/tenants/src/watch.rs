//! The running tenants, and the task that keeps them up to date.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tracing::{info, warn};

use kyc_model::TenantTable;
use kyc_telemetry::Metrics;

use crate::document::{Document, DocumentError};
use crate::source::{Source, SourceError};

/// The running tenants: one table, swapped as a whole. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tenants(Arc<ArcSwapOption<TenantTable>>);

/// The state of one watch.
struct Watcher {
    source: Box<dyn Source>,
    tenants: Tenants,
    metrics: Metrics,
    poll: Duration,
    hashes: RandomState,
    /// Of the document that is running.
    running: Option<u64>,
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

/// Keeps `tenants` as `source` says, until `shutdown`: looks at once, then each `poll` (more than zero).
///
/// What cannot be read or used leaves the last good table in place and is retried, after one second at first
/// and then ever later up to `poll`. `on_first_load` is called once, when the first table is in place.
pub async fn watch(
    source: Box<dyn Source>,
    tenants: Tenants,
    metrics: Metrics,
    poll: Duration,
    shutdown: impl Future,
    on_first_load: impl FnOnce(),
) {
    let mut watcher = Watcher { source, tenants, metrics, poll, hashes: RandomState::new(), running: None };
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
            let pause = match self.look().await {
                Ok(()) => {
                    if let Some(first) = on_first_load.take() {
                        first();
                    }
                    retries = self.retries();
                    self.poll
                }
                Err(error) => {
                    self.metrics.tenants_polled("failed");
                    let source = self.source.describe();
                    warn!(%source, error = chain(&error), "tenants not refreshed");
                    retries.next().map_or(self.poll, |pause| pause.min(self.poll))
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn look(&mut self) -> Result<(), LookError> {
        let text = self.source.read().await?;
        let hash = self.hashes.hash_one(text.reveal());
        let result = if self.running == Some(hash) {
            "unchanged"
        } else {
            let previous = self.tenants.load();
            let document = Document::parse(text.reveal().as_bytes(), previous.as_deref())?;
            self.apply(document);
            self.running = Some(hash);
            "changed"
        };
        self.metrics.tenants_polled(result);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.metrics.tenants_refreshed.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        Ok(())
    }

    fn apply(&self, document: Document) {
        for tenant in document.tenants.iter() {
            self.metrics.tenant_known(tenant.name.as_str());
            for field in tenant.exposed() {
                warn!(tenant = %tenant.name, field, "this tenant's secrets go out without TLS");
            }
        }
        let (tenants, refused) = (document.tenants.len(), document.refused.len());
        self.tenants.replace(Arc::new(document.tenants));
        self.metrics.tenants.set(gauge(tenants));
        self.metrics.tenants_refused.set(gauge(refused));
        for refusal in &document.refused {
            warn!(error = %refusal, "tenant refused");
        }
        info!(source = self.source.describe(), tenants, refused, "tenants changed");
    }

    fn retries(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(FIRST_RETRY.min(self.poll))
            .with_max_delay(self.poll)
            .with_jitter()
            .without_max_times()
            .build()
    }
}

/// The error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Until jitter stretches it.
const FIRST_RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
