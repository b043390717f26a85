//! The drain: the listeners are closed, requests in flight finish, then the process exits.
//!
//! The drain exits the process itself. Pingora alone would always sleep for its whole grace period, also when no request is in
//! flight.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_events::EventStore;
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

/// A background service that waits for the shutdown and exits as soon as no request is in flight.
pub(crate) struct Drain {
    metrics: Metrics,
    limiters: Vec<Arc<ConnectionLimiter>>,
    unfinished: UnfinishedWork,
    /// The store whose ledger may have entries that wait in memory.
    store: Option<Arc<EventStore>>,
    log: Log,
    limit: Duration,
    drain_signals: Mutex<DrainSignals>,
    /// True when a new process serves. The sender is kept until the end, because its receivers treat a closed channel as true.
    replace: Arc<watch::Sender<bool>>,
}

/// Why a drain ended.
enum End {
    Idle,
    TimedOut,
    Interrupted,
}

// === impl Drain ===

impl Drain {
    pub(crate) fn new(
        metrics: Metrics,
        limiters: Vec<Arc<ConnectionLimiter>>,
        (unfinished, store): (UnfinishedWork, Option<Arc<EventStore>>),
        log: Log,
        limit: Duration,
        drain_signals: DrainSignals,
        replace: Arc<watch::Sender<bool>>,
    ) -> Self {
        let drain_signals = Mutex::new(drain_signals);
        Self { metrics, limiters, unfinished, store, log, limit, drain_signals, replace }
    }

    /// Returns when no request is in flight, and either no connection is open or none had a request for
    /// [`IDLE_BEFORE_EXIT`]. The wait lets a request that is already on its way over an open connection get its response, with
    /// `Connection: close`.
    async fn idle(&self) {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        let mut idle_since = Instant::now();
        loop {
            if self.metrics.in_flight.get() > 0 || !self.unfinished.is_over() {
                idle_since = Instant::now();
            } else if self.limiters.iter().all(|limiter| limiter.open() == 0)
                || idle_since.elapsed() >= IDLE_BEFORE_EXIT
            {
                return;
            }
            poll.tick().await;
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
        // A request counts as in flight only after its head is complete. Wait a moment for heads that are being read.
        tokio::time::sleep(POLL_INTERVAL).await;
        let DrainSignals { interrupt, terminate } = &mut *self.drain_signals.lock().await;
        let time = async {
            if *self.replace.borrow() {
                // After a handover the new process serves, so this one can wait longer for its requests; SIGTERM ends the wait.
                tokio::select! {
                    () = tokio::time::sleep(self.limit.max(DRAIN_AFTER_HANDOVER)) => return,
                    _ = terminate.recv() => {}
                }
            }
            tokio::time::sleep(self.limit).await;
        };
        // SIGINT always ends the drain, also during the extra time after a handover.
        let end = tokio::select! {
            () = self.idle() => End::Idle,
            () = time => End::TimedOut,
            _ = interrupt.recv() => End::Interrupted,
        };
        let requests = self.metrics.in_flight.get();
        match end {
            End::Idle => tracing::info!("drained"),
            End::TimedOut => tracing::warn!(requests, "drain timeout reached; open requests are aborted"),
            End::Interrupted => tracing::warn!(requests, "interrupted; open requests are aborted"),
        }
        // After the requests, because each of them may start a check.
        if let Some(store) = &self.store {
            store.drain_ledger(Instant::now() + LEDGER_DRAIN).await;
        }
        exit_after_flush(&self.log, 0)
    }
}

/// How often the drain checks the requests in flight.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long open connections must have had no request before the process exits.
const IDLE_BEFORE_EXIT: Duration = Duration::from_secs(2);
/// How long entries of the ledger that wait in memory get, after the requests in flight. The drain takes so much longer if the event
/// store does not answer.
const LEDGER_DRAIN: Duration = Duration::from_secs(2);
/// The minimum drain timeout after a handover; longer than a call to Onfido may take by default.
pub(crate) const DRAIN_AFTER_HANDOVER: Duration = Duration::from_secs(300);
