//! The delivery of stored events as background work of the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use kyc_delivery::Delivery;
use kyc_plugin_api::{Background, BackgroundContext, PrepareError};

/// Delivers stored events while the gateway runs.
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

    async fn run(&self, context: BackgroundContext) {
        let BackgroundContext { tenants, shutdown, drain } = context;
        self.0.run(tenants, shutdown, drain).await;
    }
}
