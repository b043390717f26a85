//! The drain: no new connections, in-flight requests finish, then the process exits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_listener::ConnectionLimiter;
use kyc_telemetry::Metrics;
use kyc_telemetry::log::Log;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::lifecycle::exit::exit_after_flush;
use crate::lifecycle::signals::DrainSignals;
use crate::lifecycle::unfinished_work::UnfinishedWork;

/// Ends the process as soon as nothing is in flight. Pingora alone would sleep its whole grace period.
pub(crate) struct Drain {
    metrics: Metrics,
    limiters: Vec<Arc<ConnectionLimiter>>,
    unfinished: UnfinishedWork,
    log: Log,
    limit: Duration,
    drain_signals: Mutex<DrainSignals>,
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
        limiters: Vec<Arc<ConnectionLimiter>>,
        unfinished: UnfinishedWork,
        log: Log,
        limit: Duration,
        drain_signals: DrainSignals,
        replace: Arc<watch::Sender<bool>>,
    ) -> Self {
        let drain_signals = Mutex::new(drain_signals);
        Self { metrics, limiters, unfinished, log, limit, drain_signals, replace }
    }

    /// Returns when nothing is in flight, and either no connection is open or none had a request for a moment: whoever
    /// is about to send one on a connection that it keeps, or has just made, is answered, and told to close it.
    async fn idle(&self) {
        let mut look = tokio::time::interval(POLL_INTERVAL);
        let mut idle_since = Instant::now();
        loop {
            if self.metrics.in_flight.get() > 0 || !self.unfinished.is_over() {
                idle_since = Instant::now();
            } else if self.limiters.iter().all(|limiter| limiter.open() == 0)
                || idle_since.elapsed() >= IDLE_BEFORE_EXIT
            {
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
        let DrainSignals { interrupt, terminate } = &mut *self.drain_signals.lock().await;
        let time = async {
            if *self.replace.borrow() {
                // Nobody waits for a process whose successor serves, until both are told to stop.
                tokio::select! {
                    () = tokio::time::sleep(self.limit.max(DRAIN_AFTER_HANDOVER)) => return,
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
            End::Late => tracing::warn!(requests, "drain timeout reached; open requests are aborted"),
            End::Interrupted => tracing::warn!(requests, "interrupted; open requests are aborted"),
        }
        exit_after_flush(&self.log, 0)
    }
}

/// How often the number of requests in flight is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long connections have to send a request.
const IDLE_BEFORE_EXIT: Duration = Duration::from_secs(2);
/// Longer than a call to Onfido may take by default.
pub(crate) const DRAIN_AFTER_HANDOVER: Duration = Duration::from_secs(300);
