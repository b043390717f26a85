//! Reports that the gateway serves: to systemd, or during a handover to the previous process. Decides when listeners begin to accept
//! connections.
use std::time::Duration;

use async_trait::async_trait;
use kyc_admin::Readiness;
use kyc_telemetry::log::Log;
use pingora::server::ShutdownWatch;
use pingora::services::ServiceReadyNotifier;
use pingora::services::background::BackgroundService;
use sd_notify::NotifyState;
use tokio::sync::Mutex;
use tokio::time::{interval, timeout};

use crate::lifecycle::exit::exit_after_flush;
use crate::lifecycle::handover::{Predecessor, notify_systemd};
use crate::lifecycle::startup_progress::StartupProgress;

/// A service that waits until requests can be served, then reports it. The proxy's listeners depend on this service: at a start they
/// accept connections when tenants are loaded, during a handover after the previous process permits it. The admin listeners depend on
/// it during a handover only, because probes must be answered while the gateway is not ready.
pub(crate) struct StartupNotification {
    has_predecessor: bool,
    readiness: Readiness,
    predecessor: Mutex<Option<Predecessor>>,
    serving: StartupProgress,
    listeners: u32,
    log: Log,
}

// === impl StartupNotification ===

impl StartupNotification {
    /// Creates the service for this number of listeners.
    pub(crate) fn new(
        predecessor: Option<Predecessor>,
        readiness: Readiness,
        serving: StartupProgress,
        listeners: usize,
        log: Log,
    ) -> Self {
        let listeners = u32::try_from(listeners).unwrap_or(u32::MAX);
        let has_predecessor = predecessor.is_some();
        Self { has_predecessor, readiness, predecessor: Mutex::new(predecessor), serving, listeners, log }
    }

    /// Returns whether this is a handover: the previous process serves until this one does.
    pub(crate) fn has_predecessor(&self) -> bool {
        self.has_predecessor
    }

    async fn can_serve(&self) {
        let mut poll = interval(POLL_INTERVAL);
        while self.readiness.verdict().is_err() {
            poll.tick().await;
        }
    }

    async fn has_tenants(&self) {
        let mut poll = interval(POLL_INTERVAL);
        while !self.readiness.has_tenants() {
            poll.tick().await;
        }
    }

    /// Takes over from the previous process. Fails as soon as that process exits, also while this one is not ready.
    async fn take_over(&self, predecessor: Predecessor, ready: ServiceReadyNotifier) -> std::io::Result<()> {
        let control = predecessor.request_takeover(self.can_serve()).await?;
        ready.notify_ready();
        self.serving.open().wait_for(self.listeners).await;
        Predecessor::report_serving(control).await
    }
}

#[async_trait]
impl BackgroundService for StartupNotification {
    async fn start_with_ready_notifier(&self, _: ShutdownWatch, ready: ServiceReadyNotifier) {
        match self.predecessor.lock().await.take() {
            // Only the previous process notifies systemd here: it is still the main process, and systemd ignores others.
            Some(predecessor) => {
                if let Err(error) = self.take_over(predecessor, ready).await {
                    tracing::error!(%error, "the previous process did not hand over; this process exits");
                    exit_after_flush(&self.log, 1);
                }
            }
            None => {
                // The kernel keeps connections in the accept queue meanwhile; without tenants their calls would be answered 503.
                let _ = timeout(LONGEST_HOLD, self.has_tenants()).await;
                ready.notify_ready();
                self.can_serve().await;
                notify_systemd(&[NotifyState::Ready]);
            }
        }
        self.serving.mark_serving();
    }
}

/// How long connections wait for the first tenants. Onfido waits 10 s for the response to a notification, of which the notification
/// itself may take five. Afterwards the source of tenants is probably down, and a 503 lets callers use another gateway.
const LONGEST_HOLD: Duration = Duration::from_secs(5);
/// How often the readiness is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
