//! Work that a plugin does beside requests.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::TenantSnapshots;

/// What a plugin does for as long as the gateway runs, on a runtime of its own.
#[async_trait]
pub trait Background: Send + Sync + 'static {
    /// A name for logs and messages.
    fn name(&self) -> &'static str;

    /// Makes sure, before anything is served, that the work can be done. It runs on another runtime than
    /// [`Background::run`], so nothing that is tied to one may be kept.
    ///
    /// # Errors
    ///
    /// Why the gateway must not start.
    async fn prepare(&self) -> Result<(), String>;

    /// Says whether requests can be served as far as this work is concerned; until then the gateway is not ready, and
    /// a process that is to take over does not.
    fn is_ready(&self) -> bool {
        true
    }

    /// What an operator should mend although requests are served; `/readyz` says it, and stays 200. Holds no secret.
    fn complaints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Works until the shutdown begins, and returns when nothing is under way any more. The process waits for it
    /// as long as for requests.
    async fn run(&self, context: BackgroundContext);
}

/// What a background task is given when it starts.
#[derive(Clone)]
pub struct BackgroundContext {
    /// The tenants as they are now.
    pub tenants: TenantSnapshots,
    /// Becomes true when the shutdown begins.
    pub shutdown: watch::Receiver<bool>,
    /// How long after that the process ends, whatever is under way.
    pub drain: Duration,
}

impl fmt::Debug for BackgroundContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundContext").finish_non_exhaustive()
    }
}
