//! The progress of the start-up: how many listeners are open, and whether this process serves.

use std::sync::Arc;

use kyc_listener::OpenListeners;
use tokio::sync::watch;

/// The progress of the start-up. Cloning shares it between the listeners, the notification and the signals.
#[derive(Clone, Debug)]
pub(crate) struct StartupProgress(Arc<State>);

#[derive(Debug)]
struct State {
    open: OpenListeners,
    until_serving: watch::Sender<bool>,
}

// === impl StartupProgress ===

impl Default for StartupProgress {
    fn default() -> Self {
        let state = State { open: OpenListeners::default(), until_serving: watch::Sender::new(false) };
        Self(Arc::new(state))
    }
}

impl StartupProgress {
    /// Returns the counter of listeners that accept connections.
    pub(crate) fn open(&self) -> &OpenListeners {
        &self.0.open
    }

    /// Marks this process as serving.
    pub(crate) fn mark_serving(&self) {
        self.0.until_serving.send_replace(true);
    }

    /// Waits until this process serves.
    pub(crate) async fn until_serving(&self) {
        // Cannot fail: the sender lives as long as `self`.
        let _ = self.0.until_serving.subscribe().wait_for(|until_serving| *until_serving).await;
    }
}
