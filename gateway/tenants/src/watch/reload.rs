//! Reloads of the tenant document on request, and their results.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::changes::TenantChanges;

/// Requests a reload from the watch task. Clones belong to the same task.
#[derive(Clone, Debug, Default)]
pub struct ReloadHandle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requested: Notify,
    waiting: Mutex<Vec<oneshot::Sender<ReloadResult>>>,
}

/// The result of a requested reload.
pub type ReloadResult = Result<TenantChanges, ReloadError>;

/// Why a reload failed; the current tenants stay in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The source cannot be read.
    #[error("{0}")]
    Source(String),
    /// The document cannot be parsed.
    #[error("{0}")]
    Document(String),
}

// === impl ReloadHandle ===

impl ReloadHandle {
    /// Requests a reload, and does not wait for it.
    pub fn request(&self) {
        self.0.requested.notify_one();
    }

    /// Requests a reload, and waits for its result. The reload begins after this call, so it sees every earlier change of the
    /// document. Returns `None` when the watch task has ended.
    pub async fn request_and_wait(&self) -> Option<ReloadResult> {
        let (sender, result) = oneshot::channel();
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.request();
        result.await.ok()
    }

    /// Waits for a request.
    pub(super) async fn requested(&self) {
        self.0.requested.notified().await;
    }

    /// Takes the requesters that wait for the reload that begins now.
    pub(super) fn take_waiting(&self) -> Vec<oneshot::Sender<ReloadResult>> {
        std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
