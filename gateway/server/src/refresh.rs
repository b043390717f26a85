//! Keeps the tenants up to date while the gateway runs.

use std::sync::Mutex;

use async_trait::async_trait;
use kyc_telemetry::Metrics;
use kyc_tenants::{Reload, Source, Tenants, WatchSettings, watch};
use pingora::server::ShutdownWatch;
use pingora::services::ServiceReadyNotifier;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{SignalKind, signal};

/// The background service around the tenants' watcher.
pub(crate) struct Refresh {
    source: Mutex<Option<Box<dyn Source>>>,
    tenants: Tenants,
    metrics: Metrics,
    settings: WatchSettings,
    reload: Reload,
}

// === impl Refresh ===

impl Refresh {
    pub(crate) fn new(
        source: Box<dyn Source>,
        tenants: Tenants,
        metrics: Metrics,
        settings: WatchSettings,
        reload: Reload,
    ) -> Self {
        Self { source: Mutex::new(Some(source)), tenants, metrics, settings, reload }
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
        let (tenants, metrics, reload) = (self.tenants.clone(), self.metrics.clone(), self.reload.clone());
        let asked = on_hangup(reload.clone());
        let watched = watch(source, tenants, metrics, self.settings.clone(), reload, stopped, move || {
            ready.notify_ready()
        });
        tokio::select! {
            () = watched => {}
            () = asked => {}
        }
    }
}

/// Asks at each SIGHUP; never returns.
async fn on_hangup(reload: Reload) {
    // Without a handler the signal keeps its default.
    if let Ok(mut hangup) = signal(SignalKind::hangup()) {
        while hangup.recv().await.is_some() {
            reload.ask();
        }
    }
    std::future::pending().await
}
