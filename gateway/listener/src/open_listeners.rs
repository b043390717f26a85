//! How many listeners accept connections.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Counts the listeners that accept connections. Whoever starts the process waits for all of them before it says that the
/// gateway serves.
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

    /// Waits until so many listeners accept connections.
    pub async fn wait_for(&self, listeners: u32) {
        // Nobody closes the semaphore.
        let _ = self.0.acquire_many(listeners).await;
    }
}
