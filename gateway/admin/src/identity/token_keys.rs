//! Fetches the keys of the operators' identity providers in the background.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use kyc_plugin_api::{Background, BackgroundContext, PrepareError};
use kyc_tokens::Keys;

/// The keys of all providers.
pub struct OperatorTokenKeys(pub Vec<Arc<Keys>>);

impl fmt::Debug for OperatorTokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorTokenKeys").finish_non_exhaustive()
    }
}

#[async_trait]
impl Background for OperatorTokenKeys {
    fn name(&self) -> &'static str {
        "operators' token keys"
    }

    async fn prepare(&self) -> Result<(), PrepareError> {
        Ok(())
    }

    async fn run(&self, context: BackgroundContext) {
        join_all(self.0.iter().map(|keys| keys.watch(context.shutdown.clone()))).await;
    }
}
