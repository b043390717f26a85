//! The background task of the plugin: reloads secrets and fetches token keys.

use std::sync::Arc;

use async_trait::async_trait;
use kyc_plugin_api::{Background, BackgroundContext, PrepareError};
use kyc_tokens::Keys;

use crate::secrets::Secrets;

/// The background task of one instance of the plugin.
pub(crate) struct CredentialRefresh {
    /// `None` when no secret is read from a file.
    pub(crate) secrets: Option<Arc<Secrets>>,
    /// `None` when tokens are not checked.
    pub(crate) keys: Option<Arc<Keys>>,
}

#[async_trait]
impl Background for CredentialRefresh {
    fn name(&self) -> &'static str {
        "secrets and token keys"
    }

    async fn prepare(&self) -> Result<(), PrepareError> {
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.are_sufficient())
    }

    fn warnings(&self) -> Vec<String> {
        self.secrets.as_ref().map(|secrets| secrets.warnings()).unwrap_or_default()
    }

    async fn run(&self, context: BackgroundContext) {
        let secrets = async {
            if let Some(secrets) = &self.secrets {
                secrets.watch(context.shutdown.clone()).await;
            }
        };
        let keys = async {
            if let Some(keys) = &self.keys {
                keys.watch(context.shutdown.clone()).await;
            }
        };
        tokio::join!(secrets, keys);
    }
}
