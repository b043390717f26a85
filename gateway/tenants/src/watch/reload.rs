//! Looks that somebody asked for, and what came of them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

/// Asks the watch to look at once. Clones ask the same one.
#[derive(Clone, Debug, Default)]
pub struct Reload(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: Notify,
    waiting: Mutex<Vec<oneshot::Sender<Outcome>>>,
}

/// What came of a look that was asked for.
pub type Outcome = Result<Look, Failure>;

/// What a document holds that could be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What was read, as in `vault secret kv/dcs/kyc-onfido`.
    pub source: String,
    /// The source's own number of what was read, where it counts.
    pub version: Option<u64>,
    /// How many tenants are served.
    pub tenants: usize,
    /// Those that were not served before, by name.
    pub added: Vec<String>,
    /// Those whose entries are others than before.
    pub changed: Vec<String>,
    /// Those that are served no more.
    pub removed: Vec<String>,
    /// The entries that are not served, with the reasons; they hold no value of an entry.
    pub refused: Vec<String>,
    /// Those that stay as they were, because their entries are refused.
    pub kept: Vec<String>,
}

/// Why nothing came of a look; the running tenants stay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The source cannot be read.
    #[error("{0}")]
    Source(String),
    /// The document is none.
    #[error("{0}")]
    Document(String),
}

// === impl Reload ===

impl Reload {
    /// Asks, and waits for nothing.
    pub fn ask(&self) {
        self.0.asked.notify_one();
    }

    /// Asks, and gives what came of the look that begins after this; `None` when nobody looks any more.
    pub async fn outcome(&self) -> Option<Outcome> {
        let (sender, outcome) = oneshot::channel();
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.ask();
        outcome.await.ok()
    }

    pub(super) async fn asked(&self) {
        self.0.asked.notified().await;
    }

    /// Those who wait for the look that begins now.
    pub(super) fn take_waiting(&self) -> Vec<oneshot::Sender<Outcome>> {
        std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
