//! Background tasks of plugins.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use kyc_model::TenantSnapshots;
use tokio::sync::watch;

/// A task that runs as long as the gateway does, on a runtime of its own.
#[async_trait]
pub trait Background: Send + Sync + 'static {
    /// Returns the task's name in logs and messages.
    fn name(&self) -> &'static str;

    /// Prepares the task before the gateway serves anything. It runs on another runtime than [`Background::run`], so it must
    /// not keep connections or timers.
    ///
    /// # Errors
    ///
    /// The reason why the gateway must not start.
    async fn prepare(&self) -> Result<(), PrepareError>;

    /// Returns whether requests can be served. While it is `false`, `/readyz` answers 503, and an upgrade does not hand over to
    /// this process. Default: `true`.
    fn is_ready(&self) -> bool {
        true
    }

    /// Returns problems that an operator should fix although requests are served. `/readyz` shows them and stays 200. The texts
    /// must not contain secrets. Default: none.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Runs until the shutdown begins, and returns when its last unit of work is done. The process waits for it as long as
    /// for requests (`server.drain`). A panic ends the process.
    async fn run(&self, context: BackgroundContext);
}

/// Why a background task cannot be prepared. The operator sees its text and those of its causes, which hold no secret.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PrepareError(Box<dyn Error + Send + Sync>);

/// The context of a background task.
#[derive(Clone)]
pub struct BackgroundContext {
    /// The current tenants.
    pub tenants: TenantSnapshots,
    /// Becomes true when the shutdown begins.
    pub shutdown: watch::Receiver<bool>,
    /// The time from the shutdown to the end of the process, whether or not the task has returned.
    pub drain: Duration,
}

// === impl PrepareError ===

impl PrepareError {
    /// Wraps the reason: an error, or a text.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}

// === impl BackgroundContext ===

impl fmt::Debug for BackgroundContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundContext").finish_non_exhaustive()
    }
}
