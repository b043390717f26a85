//! Events that the caller and the upstream of an exchange tell each other.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// What has happened so far in one exchange.
#[derive(Debug, Default)]
pub(crate) struct Events {
    happened: watch::Sender<BTreeSet<&'static str>>,
}

// === impl Events ===

impl Events {
    pub(crate) fn mark(&self, event: &'static str) {
        self.happened.send_modify(|happened| {
            happened.insert(event);
        });
    }

    /// Waits for an event. One that never comes, because a proxy behaves otherwise, does not hold the exchange up for ever.
    pub(crate) async fn until(&self, event: &'static str) {
        let mut happened = self.happened.subscribe();
        let _ = timeout(LONGEST, happened.wait_for(|happened| happened.contains(event))).await;
    }
}

/// Longer than the timeouts of the proxies.
pub(crate) const LONGEST: Duration = Duration::from_secs(8);
/// Nobody sees from outside when a proxy has read something; this is long enough.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);
