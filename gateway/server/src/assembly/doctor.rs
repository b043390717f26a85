//! The probes of tenants as background work of the gateway.

use async_trait::async_trait;
use kyc_doctor::Doctor;
use kyc_plugin_api::{Background, BackgroundContext, PrepareError};

/// Probes the tenants while the gateway runs.
#[derive(Debug)]
pub(crate) struct DoctorWork(pub(crate) Doctor);

#[async_trait]
impl Background for DoctorWork {
    fn name(&self) -> &'static str {
        "doctor"
    }

    async fn prepare(&self) -> Result<(), PrepareError> {
        Ok(())
    }

    async fn run(&self, context: BackgroundContext) {
        self.0.run(context.shutdown).await;
    }
}
