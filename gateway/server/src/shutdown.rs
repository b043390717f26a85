//! How the gateway stops: not ready, no new connections, in-flight requests finish, exit.

use std::process;
use std::time::Duration;

use async_trait::async_trait;
use kyc_telemetry::log::Log;
use kyc_telemetry::{Metrics, traces};
use pingora::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::admin::Readiness;
use crate::work::UnderWay;

/// The signals that the gateway answers. They are asked for before it listens: whoever sees it listen can send one,
/// and each one that comes is kept until it is waited for.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    second_interrupt: Signal,
    hangup: Signal,
}

/// Waits for SIGTERM (drain) or SIGINT (stop at once), and makes `/readyz` fail before listeners close.
pub(crate) struct Stop {
    readiness: Readiness,
    log: Log,
    signals: Mutex<(Signal, Signal)>,
}

/// Ends the process as soon as nothing is in flight. Pingora alone would sleep its whole grace period.
pub(crate) struct Drain {
    metrics: Metrics,
    under_way: UnderWay,
    log: Log,
    limit: Duration,
    /// What an operator sends who does not want to wait.
    interrupt: Mutex<Signal>,
}

/// Why a drain is over.
enum End {
    Idle,
    Late,
    Interrupted,
}

// === impl Signals ===

impl Signals {
    /// Asks for all of them; from here on none has its default any more, which would end the process.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn take() -> std::io::Result<Self> {
        // Any runtime may ask; whichever runs when a signal comes passes it on.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let _entered = runtime.enter();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            second_interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Who waits for each: the one that stops, a drain that is cut short, the tenants.
    pub(crate) fn split(self, readiness: Readiness, log: Log) -> (Stop, Signal, Signal) {
        let signals = Mutex::new((self.terminate, self.interrupt));
        (Stop { readiness, log, signals }, self.second_interrupt, self.hangup)
    }
}

// === impl Stop ===

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let mut signals = self.signals.lock().await;
        let (terminate, interrupt) = &mut *signals;
        tokio::select! {
            _ = terminate.recv() => {
                self.readiness.drain();
                tracing::info!("draining");
                ShutdownSignal::GracefulTerminate
            }
            // Pingora would wait for its threads, and one that accepts finds its runtime gone and tries for ever.
            _ = interrupt.recv() => leave(&self.log),
        }
    }
}

// === impl Drain ===

impl Drain {
    pub(crate) fn new(
        metrics: Metrics,
        under_way: UnderWay,
        log: Log,
        limit: Duration,
        interrupt: Signal,
    ) -> Self {
        Self { metrics, under_way, log, limit, interrupt: Mutex::new(interrupt) }
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
        while !*shutdown.borrow() {
            if shutdown.changed().await.is_err() {
                return;
            }
        }
        // A request whose head is still being read counts as soon as it has one.
        tokio::time::sleep(LOOK).await;
        let mut interrupt = self.interrupt.lock().await;
        let end = tokio::select! {
            () = self.idle() => End::Idle,
            () = tokio::time::sleep(self.limit) => End::Late,
            _ = interrupt.recv() => End::Interrupted,
        };
        let requests = self.metrics.in_flight.get();
        match end {
            End::Idle => tracing::info!("drained"),
            End::Late => tracing::warn!(requests, "drain time is over, requests are cut off"),
            End::Interrupted => tracing::warn!(requests, "interrupted, requests are cut off"),
        }
        leave(&self.log)
    }
}

/// Ends the process, as soon as what it has to say is said.
fn leave(log: &Log) -> ! {
    traces::end();
    log.flush();
    process::exit(0)
}

/// How often the number of requests in flight is looked at.
const LOOK: Duration = Duration::from_millis(20);
