//! Delivery as background work of the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use kyc_delivery::Delivery;
use kyc_plugin_api::{Background, BackgroundContext, PrepareError};

/// Delivers as long as the gateway runs.
#[derive(Debug)]
pub(crate) struct DeliveryWork(pub(crate) Arc<Delivery>);

#[async_trait]
impl Background for DeliveryWork {
    fn name(&self) -> &'static str {
        "event delivery"
    }

    async fn prepare(&self) -> Result<(), PrepareError> {
        self.0.prepare().await.map_err(PrepareError::new)
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    async fn run(&self, surroundings: BackgroundContext) {
        let BackgroundContext { tenants, shutdown, drain } = surroundings;
        self.0.run(tenants, shutdown, drain).await;
    }
}
