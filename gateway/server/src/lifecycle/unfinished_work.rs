//! Background work that has not ended yet, which a drain waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts background work that has not ended yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnfinishedWork(Arc<AtomicUsize>);

/// Counts work as ended when dropped. After a panic it aborts the process, which would otherwise run on without that work.
pub(crate) struct Ended<'a>(&'a UnfinishedWork);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
        if std::thread::panicking() {
            tracing::error!(
                "background work failed; the process exits so that the service manager restarts it"
            );
            std::process::abort();
        }
    }
}

// === impl UnfinishedWork ===

impl UnfinishedWork {
    /// Counts one more piece of work.
    pub(crate) fn with_one_more(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.clone()
    }

    /// Counts a piece of work as ended when the guard is dropped.
    pub(crate) fn ends(&self) -> Ended<'_> {
        Ended(self)
    }

    /// Whether all work has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}
