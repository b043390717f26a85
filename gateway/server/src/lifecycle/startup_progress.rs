//! How far a process has come on its way to serve.

use std::sync::Arc;

use kyc_listener::OpenListeners;
use tokio::sync::watch;

/// How far this process is on its way to serve.
#[derive(Clone, Debug)]
pub(crate) struct Serving(Arc<State>);

#[derive(Debug)]
struct State {
    open: OpenListeners,
    announced: watch::Sender<bool>,
}

// === impl Serving ===

impl Default for Serving {
    fn default() -> Self {
        let state = State { open: OpenListeners::default(), announced: watch::Sender::new(false) };
        Self(Arc::new(state))
    }
}

impl Serving {
    /// Counts the listeners that accept connections.
    pub(crate) fn open(&self) -> &OpenListeners {
        &self.0.open
    }

    /// Notes that this process serves.
    pub(crate) fn announce(&self) {
        self.0.announced.send_replace(true);
    }

    /// Waits until this process serves.
    pub(crate) async fn announced(&self) {
        // The sender is here.
        let _ = self.0.announced.subscribe().wait_for(|announced| *announced).await;
    }
}
