//! The look-ups of overdue results as background work of the gateway.

use async_trait::async_trait;
use kyc_plugin_api::{Background, BackgroundContext, PrepareError};
use kyc_reconciliation::Reconciliation;

/// Looks overdue results up while the gateway runs.
#[derive(Debug)]
pub(crate) struct ReconciliationWork(pub(crate) Reconciliation);

#[async_trait]
impl Background for ReconciliationWork {
    fn name(&self) -> &'static str {
        "reconciliation"
    }

    async fn prepare(&self) -> Result<(), PrepareError> {
        Ok(())
    }

    async fn run(&self, context: BackgroundContext) {
        self.0.run(context.shutdown).await;
    }
}
