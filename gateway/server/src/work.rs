//! The background work of plugins, as services of Pingora's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kyc_plugin_api::{Background, Surroundings};
use kyc_tenants::Tenants;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

/// One plugin's work.
pub(crate) struct Work {
    background: Arc<dyn Background>,
    tenants: Tenants,
    drain: Duration,
    under_way: UnderWay,
}

/// How many pieces of work have not ended yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay(Arc<AtomicUsize>);

// === impl Work ===

impl Work {
    pub(crate) fn new(
        background: Arc<dyn Background>,
        tenants: Tenants,
        drain: Duration,
        under_way: &UnderWay,
    ) -> Self {
        under_way.0.fetch_add(1, Ordering::Relaxed);
        Self { background, tenants, drain, under_way: under_way.clone() }
    }
}

#[async_trait]
impl BackgroundService for Work {
    async fn start(&self, shutdown: ShutdownWatch) {
        let _ended = Ended(&self.under_way);
        let (tenants, drain) = (self.tenants.clone(), self.drain);
        self.background
            .run(Surroundings { tenants: Arc::new(move || tenants.load()), shutdown, drain })
            .await;
    }
}

/// Counts work as ended, also when it panics; without it the gateway would go on as if nothing were missing.
struct Ended<'a>(&'a UnderWay);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
        if std::thread::panicking() {
            tracing::error!("background work failed, the process ends so that it is started again");
            std::process::abort();
        }
    }
}

// === impl UnderWay ===

impl UnderWay {
    /// Says whether all work has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}
