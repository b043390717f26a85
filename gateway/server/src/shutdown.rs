//! How the gateway stops: not ready, no new connections, in-flight requests finish, exit.

use std::process;
use std::time::Duration;

use async_trait::async_trait;
use kyc_telemetry::log::Log;
use kyc_telemetry::{Metrics, traces};
use pingora::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admin::Readiness;
use crate::work::UnderWay;

/// Waits for SIGTERM (drain) or SIGINT (stop at once), and makes `/readyz` fail before listeners close.
pub(crate) struct Signals {
    readiness: Readiness,
}

/// Ends the process as soon as nothing is in flight. Pingora alone would sleep its whole grace period.
pub(crate) struct Drain {
    metrics: Metrics,
    under_way: UnderWay,
    log: Log,
    limit: Duration,
}

/// Why a drain is over.
enum End {
    Idle,
    Late,
    Interrupted,
}

// === impl Signals ===

impl Signals {
    pub(crate) fn new(readiness: Readiness) -> Self {
        Self { readiness }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            // Without a handler the signals keep their default: they end the process.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {
                self.readiness.drain();
                tracing::info!("draining");
                ShutdownSignal::GracefulTerminate
            }
            _ = interrupt.recv() => ShutdownSignal::FastShutdown,
        }
    }
}

// === impl Drain ===

impl Drain {
    pub(crate) fn new(metrics: Metrics, under_way: UnderWay, log: Log, limit: Duration) -> Self {
        Self { metrics, under_way, log, limit }
    }

    async fn idle(&self) {
        let mut look = tokio::time::interval(LOOK);
        while self.metrics.in_flight.get() > 0 || !self.under_way.is_over() {
            look.tick().await;
        }
    }
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        // Asked for before anything is waited for, so that no SIGINT falls in between.
        let interrupt = signal(SignalKind::interrupt());
        while !*shutdown.borrow() {
            if shutdown.changed().await.is_err() {
                return;
            }
        }
        // A request whose head is still being read counts as soon as it has one.
        tokio::time::sleep(LOOK).await;
        let end = tokio::select! {
            () = self.idle() => End::Idle,
            () = tokio::time::sleep(self.limit) => End::Late,
            () = interrupted(interrupt) => End::Interrupted,
        };
        let requests = self.metrics.in_flight.get();
        match end {
            End::Idle => tracing::info!("drained"),
            End::Late => tracing::warn!(requests, "drain time is over, requests are cut off"),
            End::Interrupted => tracing::warn!(requests, "interrupted, requests are cut off"),
        }
        traces::end();
        self.log.flush();
        process::exit(0)
    }
}

/// Waits for SIGINT, which an operator sends who does not want to wait for the drain.
async fn interrupted(signal: std::io::Result<Signal>) {
    match signal {
        Ok(mut interrupt) => {
            interrupt.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// How often the number of requests in flight is looked at.
const LOOK: Duration = Duration::from_millis(20);
