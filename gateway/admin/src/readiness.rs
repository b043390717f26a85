//! Decides whether the gateway is ready, for `/readyz`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kyc_plugin_api::Background;
use kyc_telemetry::{MetricError, Metrics, names};
use kyc_tenants::Tenants;

/// Whether the gateway can serve requests.
#[derive(Clone)]
pub struct Readiness {
    tenants: Tenants,
    pub(super) metrics: Metrics,
    max_age: Option<Duration>,
    backgrounds: Arc<[Arc<dyn Background>]>,
    draining: Arc<AtomicBool>,
}

// === impl Readiness ===

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

impl Readiness {
    /// Creates the readiness. `max_age` is the largest age of the tenant document since it was last read; `None`: no limit.
    pub fn new(
        tenants: Tenants,
        metrics: Metrics,
        max_age: Option<Duration>,
        backgrounds: &[Arc<dyn Background>],
    ) -> Self {
        Self { tenants, metrics, max_age, backgrounds: backgrounds.into(), draining: Arc::default() }
    }

    /// Exports whether the gateway is ready, as it is at each scrape.
    ///
    /// # Errors
    ///
    /// [`MetricError`] when the name is registered with another kind.
    pub fn export(&self) -> Result<(), MetricError> {
        let readiness = self.clone();
        let help = "Whether the gateway can serve requests.";
        self.metrics.registry().computed_gauge(names::READY, help, &[], move |gauges| {
            gauges.with(&[]).set(i64::from(readiness.verdict().is_ok()));
        })
    }

    /// Makes the gateway not ready: it is shutting down.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Returns whether requests can be served.
    ///
    /// # Errors
    ///
    /// The reason why the gateway is not ready.
    pub fn verdict(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("draining\n");
        }
        if !self.has_tenants() {
            return Err("no tenant document is loaded yet\n");
        }
        if !self.backgrounds.iter().all(|background| background.is_ready()) {
            return Err("a plugin is not ready yet\n");
        }
        if self.max_age.is_some_and(|limit| self.age() > limit) {
            return Err("the tenant document could not be read for longer than tenants.max_age\n");
        }
        Ok(())
    }

    /// Returns whether a tenant document was loaded.
    pub fn has_tenants(&self) -> bool {
        self.tenants.load().is_some()
    }

    /// Returns the problems that do not make the gateway unready, one per line.
    pub fn warnings(&self) -> String {
        // Probes need no login, so they do not name tenants.
        let refused = self.tenants.refused_removal().map(|refused| refused.without_names());
        let background = self.backgrounds.iter().flat_map(|background| background.warnings());
        refused
            .into_iter()
            .chain(background)
            .fold(String::new(), |lines, warning| format!("{lines}{warning}\n"))
    }

    /// Returns the time since the tenant source was last read successfully.
    fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let last = u64::try_from(self.metrics.tenants_refreshed.get()).unwrap_or_default();
        now.saturating_sub(Duration::from_secs(last))
    }
}
