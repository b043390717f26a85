//! The background work of plugins, as services of Pingora's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_plugin_api::{Background, BackgroundContext, TenantSnapshots};
use kyc_tenants::Tenants;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::lifecycle::unfinished_work::UnderWay;

/// One plugin's work.
pub(crate) struct Work {
    background: Arc<dyn Background>,
    tenants: Tenants,
    drain: Duration,
    under_way: UnderWay,
}

// === impl Work ===

impl Work {
    pub(crate) fn new(
        background: Arc<dyn Background>,
        tenants: Tenants,
        drain: Duration,
        under_way: &UnderWay,
    ) -> Self {
        Self { background, tenants, drain, under_way: under_way.with_one_more() }
    }
}

#[async_trait]
impl BackgroundService for Work {
    async fn start(&self, shutdown: ShutdownWatch) {
        let _ended = self.under_way.ends();
        let (tenants, drain) = (self.tenants.clone(), self.drain);
        self.background
            .run(BackgroundContext { tenants: TenantSnapshots::new(move || tenants.load()), shutdown, drain })
            .await;
    }
}
