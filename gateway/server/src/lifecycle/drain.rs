//! The drain: no new connections, in-flight requests finish, then the process exits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_listener::Gate;
use kyc_telemetry::Metrics;
use kyc_telemetry::log::Log;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::lifecycle::exit::leave;
use crate::lifecycle::signals::Hurry;
use crate::lifecycle::unfinished_work::UnderWay;

/// Ends the process as soon as nothing is in flight. Pingora alone would sleep its whole grace period.
pub(crate) struct Drain {
    metrics: Metrics,
    gates: Vec<Arc<Gate>>,
    under_way: UnderWay,
    log: Log,
    limit: Duration,
    hurry: Mutex<Hurry>,
    /// Told when another process serves; whoever waits for that would take its end for it.
    replace: Arc<watch::Sender<bool>>,
}

/// Why a drain is over.
enum End {
    Idle,
    Late,
    Interrupted,
}

// === impl Drain ===

impl Drain {
    pub(crate) fn new(
        metrics: Metrics,
        gates: Vec<Arc<Gate>>,
        under_way: UnderWay,
        log: Log,
        limit: Duration,
        hurry: Hurry,
        replace: Arc<watch::Sender<bool>>,
    ) -> Self {
        let hurry = Mutex::new(hurry);
        Self { metrics, gates, under_way, log, limit, hurry, replace }
    }

    /// Returns when nothing is in flight, and either no connection is open or none had a request for a moment: whoever
    /// is about to send one on a connection that it keeps, or has just made, is answered, and told to close it.
    async fn idle(&self) {
        let mut look = tokio::time::interval(POLL_INTERVAL);
        let mut quiet_since = Instant::now();
        loop {
            if self.metrics.in_flight.get() > 0 || !self.under_way.is_over() {
                quiet_since = Instant::now();
            } else if self.gates.iter().all(|gate| gate.open() == 0) || quiet_since.elapsed() >= QUIET {
                return;
            }
            look.tick().await;
        }
    }
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        while !*shutdown.borrow() {
            if shutdown.changed().await.is_err() {
                return;
            }
        }
        // A request whose head is still being read counts as soon as it has one.
        tokio::time::sleep(POLL_INTERVAL).await;
        let Hurry { interrupt, terminate } = &mut *self.hurry.lock().await;
        let time = async {
            if *self.replace.borrow() {
                // Nobody waits for a process whose successor serves, until both are told to stop.
                tokio::select! {
                    () = tokio::time::sleep(self.limit.max(AFTER_A_HANDOVER)) => return,
                    _ = terminate.recv() => {}
                }
            }
            tokio::time::sleep(self.limit).await;
        };
        let end = tokio::select! {
            () = self.idle() => End::Idle,
            () = time => End::Late,
            _ = interrupt.recv() => End::Interrupted,
        };
        let requests = self.metrics.in_flight.get();
        match end {
            End::Idle => tracing::info!("drained"),
            End::Late => tracing::warn!(requests, "drain time is over, requests are cut off"),
            End::Interrupted => tracing::warn!(requests, "interrupted, requests are cut off"),
        }
        leave(&self.log, 0)
    }
}

/// How often the number of requests in flight is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long connections have to send a request.
const QUIET: Duration = Duration::from_secs(2);
/// Longer than a call to Onfido may take by default.
pub(crate) const AFTER_A_HANDOVER: Duration = Duration::from_secs(300);
