//! Counts the listeners that accept connections, so that the start-up notification waits for all of them.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Counts the listeners that accept connections. The gateway reports that it serves only after all of them accept.
#[derive(Clone, Debug)]
pub struct OpenListeners(Arc<Semaphore>);

// === impl OpenListeners ===

impl Default for OpenListeners {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl OpenListeners {
    /// Counts one more listener.
    pub fn add(&self) {
        self.0.add_permits(1);
    }

    /// Waits until `listeners` listeners accept connections.
    pub async fn wait_for(&self, listeners: u32) {
        // The semaphore is never closed.
        let _ = self.0.acquire_many(listeners).await;
    }
}
