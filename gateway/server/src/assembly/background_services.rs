//! Runs the background work of plugins as Pingora services.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_plugin_api::{Background, BackgroundContext, TenantSnapshots};
use kyc_tenants::Tenants;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::lifecycle::unfinished_work::UnfinishedWork;

/// The background work of one plugin.
pub(crate) struct BackgroundWork {
    background: Arc<dyn Background>,
    tenants: Tenants,
    drain: Duration,
    unfinished: UnfinishedWork,
}

// === impl BackgroundWork ===

impl BackgroundWork {
    pub(crate) fn new(
        background: Arc<dyn Background>,
        tenants: Tenants,
        drain: Duration,
        unfinished: &UnfinishedWork,
    ) -> Self {
        Self { background, tenants, drain, unfinished: unfinished.begin() }
    }
}

#[async_trait]
impl BackgroundService for BackgroundWork {
    async fn start(&self, shutdown: ShutdownWatch) {
        let _ended = self.unfinished.end_guard();
        let (tenants, drain) = (self.tenants.clone(), self.drain);
        self.background
            .run(BackgroundContext { tenants: TenantSnapshots::new(move || tenants.load()), shutdown, drain })
            .await;
    }
}
