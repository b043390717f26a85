//! Readiness, as `/readyz` reports it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kyc_plugin_api::Background;
use kyc_telemetry::Metrics;
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
    /// `max_age`: how long ago the tenant document may have been read; `None`: no limit.
    pub fn new(
        tenants: Tenants,
        metrics: Metrics,
        max_age: Option<Duration>,
        backgrounds: &[Arc<dyn Background>],
    ) -> Self {
        Self { tenants, metrics, max_age, backgrounds: backgrounds.into(), draining: Arc::default() }
    }

    /// Makes the gateway not ready: it is shutting down.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether requests can be served, or why not.
    pub fn verdict(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("draining\n");
        }
        if self.tenants.load().is_none() {
            return Err("no tenant document was loaded yet\n");
        }
        if !self.backgrounds.iter().all(|background| background.is_ready()) {
            return Err("a plugin is not ready yet\n");
        }
        if self.max_age.is_some_and(|limit| self.age() > limit) {
            return Err("the tenant document could not be looked at for too long\n");
        }
        Ok(())
    }

    /// Problems that do not keep the gateway from being ready, one line each.
    pub fn complaints(&self) -> String {
        self.backgrounds
            .iter()
            .flat_map(|background| background.complaints())
            .fold(String::new(), |lines, complaint| format!("{lines}{complaint}\n"))
    }

    /// How long ago the tenant source was read successfully.
    fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let last = u64::try_from(self.metrics.tenants_refreshed.get()).unwrap_or_default();
        now.saturating_sub(Duration::from_secs(last))
    }
}
