//! Refreshes the tenants while the gateway runs: periodically, on SIGHUP and on request.

use std::sync::Mutex;

use async_trait::async_trait;
use kyc_telemetry::Metrics;
use kyc_tenants::{ReloadHandle, Source, Tenants, WatchSettings, watch};
use pingora::server::ShutdownWatch;
use pingora::services::ServiceReadyNotifier;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::Signal;

/// Runs the tenant watcher as a background service.
pub(crate) struct TenantRefresh {
    source: Mutex<Option<Box<dyn Source>>>,
    tenants: Tenants,
    metrics: Metrics,
    settings: WatchSettings,
    reload: ReloadHandle,
    hangup: tokio::sync::Mutex<Signal>,
}

// === impl TenantRefresh ===

impl TenantRefresh {
    pub(crate) fn new(
        source: Box<dyn Source>,
        tenants: Tenants,
        metrics: Metrics,
        settings: WatchSettings,
        reload: ReloadHandle,
        hangup: Signal,
    ) -> Self {
        let (source, hangup) = (Mutex::new(Some(source)), tokio::sync::Mutex::new(hangup));
        Self { source, tenants, metrics, settings, reload, hangup }
    }
}

#[async_trait]
impl BackgroundService for TenantRefresh {
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
        let on_hangup = reload.clone();
        let reload_on_hangup = async {
            let mut hangup = self.hangup.lock().await;
            while hangup.recv().await.is_some() {
                on_hangup.request();
            }
            std::future::pending::<()>().await;
        };
        let watched = watch(source, tenants, metrics, self.settings.clone(), reload, stopped, move || {
            ready.notify_ready()
        });
        tokio::select! {
            () = watched => {}
            () = reload_on_hangup => {}
        }
    }
}
