//! Reloads of the tenant document on request, and their results.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::changes::TenantChanges;
use super::removal::MassRemoval;

/// Requests a reload from the watch task. Clones belong to the same task.
#[derive(Clone, Debug, Default)]
pub struct ReloadHandle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requested: Notify,
    waiting: Mutex<Vec<Requester>>,
}

/// Someone who waits for the result of a reload.
#[derive(Debug)]
pub(super) struct Requester {
    pub(super) removal: MassRemoval,
    result: oneshot::Sender<ReloadResult>,
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
    /// The document removes most of the tenants, and the request did not accept that.
    #[error("{0}")]
    Removal(String),
}

// === impl ReloadHandle ===

impl ReloadHandle {
    /// Requests a reload, and does not wait for it.
    pub fn request(&self) {
        self.0.requested.notify_one();
    }

    /// Requests a reload, and waits for its result. The reload begins after this call, so it sees every earlier change of the
    /// document. Returns `None` when the watch task has ended.
    /// `removal` applies to this reload alone.
    pub async fn request_and_wait(&self, removal: MassRemoval) -> Option<ReloadResult> {
        let (sender, result) = oneshot::channel();
        let requester = Requester { removal, result: sender };
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(requester);
        self.request();
        result.await.ok()
    }

    /// Waits for a request.
    pub(super) async fn requested(&self) {
        self.0.requested.notified().await;
    }

    /// Takes the requesters that wait for the reload that begins now.
    pub(super) fn take_waiting(&self) -> Vec<Requester> {
        std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Requester ===

impl Requester {
    /// Sends the result; the requester may no longer wait.
    pub(super) fn answer(self, result: ReloadResult) {
        let _ = self.result.send(result);
    }
}
