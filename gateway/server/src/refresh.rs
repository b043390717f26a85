//! Keeps the tenants up to date while the gateway runs.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use kyc_telemetry::Metrics;
use kyc_tenants::{Source, Tenants, watch};
use pingora::server::ShutdownWatch;
use pingora::services::ServiceReadyNotifier;
use pingora::services::background::BackgroundService;

/// The background service around the tenants' watcher.
pub(crate) struct Refresh {
    source: Mutex<Option<Box<dyn Source>>>,
    tenants: Tenants,
    metrics: Metrics,
    poll: Duration,
}

// === impl Refresh ===

impl Refresh {
    pub(crate) fn new(source: Box<dyn Source>, tenants: Tenants, metrics: Metrics, poll: Duration) -> Self {
        Self { source: Mutex::new(Some(source)), tenants, metrics, poll }
    }
}

#[async_trait]
impl BackgroundService for Refresh {
    async fn start_with_ready_notifier(&self, mut shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        let source = self.source.lock().ok().and_then(|mut source| source.take());
        let Some(source) = source else { return };
        let stopped = async move {
            while !*shutdown.borrow() {
                if shutdown.changed().await.is_err() {
                    return;
                }
            }
        };
        let (tenants, metrics) = (self.tenants.clone(), self.metrics.clone());
        watch(source, tenants, metrics, self.poll, stopped, move || ready.notify_ready()).await;
    }
}
