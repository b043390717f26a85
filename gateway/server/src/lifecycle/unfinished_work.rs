//! Counts the background work that has not ended. The drain waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of background tasks that have not ended. Cloning shares the number.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnfinishedWork(Arc<AtomicUsize>);

/// A guard that counts work as ended when it is dropped. After a panic it aborts the process, because a gateway without that work
/// (for example without deliveries) would look healthy.
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
    /// Counts one more task.
    pub(crate) fn begin(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.clone()
    }

    /// Returns a guard that counts a task as ended when it is dropped.
    pub(crate) fn end_guard(&self) -> Ended<'_> {
        Ended(self)
    }

    /// Returns whether all tasks have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}
