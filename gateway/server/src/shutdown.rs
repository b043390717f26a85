//! How the gateway stops: not ready, no new connections, in-flight requests finish, exit. And how it makes way for
//! another process, which serves before this one stops.

use std::process;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_telemetry::log::Log;
use kyc_telemetry::{Metrics, traces};
use pingora::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora::services::background::BackgroundService;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::admin::Readiness;
use crate::announcement::Serving;
use crate::upgrade::{Legacy, tell_systemd};
use crate::work::UnderWay;
use kyc_listener::Gate;

/// The signals that the gateway answers. They are asked for before it listens: whoever sees it listen can send one,
/// and each one that comes is kept until it is waited for.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// For a drain that is under way.
    hurry: Hurry,
    hangup: Signal,
    quit: Signal,
}

/// What an operator sends who does not want to wait for a drain.
pub(crate) struct Hurry {
    /// Ends it.
    interrupt: Signal,
    /// After a handover: gives it no more time than any other.
    terminate: Signal,
}

/// Waits for SIGTERM (drain), SIGINT (stop at once) or SIGQUIT (drain when another process serves), and makes `/readyz`
/// fail before listeners close.
pub(crate) struct Stop {
    readiness: Readiness,
    /// Between the end of readiness and that of the listeners.
    delay: Duration,
    log: Log,
    waiting: Mutex<Waiting>,
    /// Told when another process serves.
    replace: Arc<watch::Sender<bool>>,
    serving: Serving,
}

struct Waiting {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    legacy: Legacy,
}

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
            hurry: Hurry {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            },
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Who waits for each: the one that stops, a drain that is cut short, the tenants.
    pub(crate) fn split(
        self,
        (readiness, delay): (Readiness, Duration),
        log: Log,
        legacy: Legacy,
        replace: Arc<watch::Sender<bool>>,
        serving: Serving,
    ) -> (Stop, Hurry, Signal) {
        let Self { terminate, interrupt, hurry, hangup, quit } = self;
        let waiting = Mutex::new(Waiting { terminate, interrupt, quit, legacy });
        (Stop { readiness, delay, log, waiting, replace, serving }, hurry, hangup)
    }
}

// === impl Stop ===

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let mut waiting = self.waiting.lock().await;
        let Waiting { terminate, interrupt, quit, legacy } = &mut *waiting;
        let replaced_by = tokio::select! {
            _ = terminate.recv() => None,
            // Pingora would wait for its threads, and one that accepts may find its runtime gone and try for ever.
            _ = interrupt.recv() => leave(&self.log, 0),
            successor = succeeded(quit, legacy, &self.serving) => Some(successor),
        };
        // Sockets that nobody else has are closed for good.
        legacy.close();
        if let Some(pid) = replaced_by {
            // Only the main process is listened to, and this one is it.
            tell_systemd(&[NotifyState::MainPid(pid)]);
            self.replace.send_replace(true);
            tracing::info!(pid, "another process serves now");
        } else {
            tell_systemd(&[NotifyState::Stopping]);
            self.readiness.drain();
            tokio::select! {
                () = tokio::time::sleep(self.delay) => {}
                _ = interrupt.recv() => leave(&self.log, 0),
            }
        }
        tracing::info!("draining");
        ShutdownSignal::GracefulTerminate
    }
}

/// Returns when another process serves. One that does not come so far changes nothing.
async fn succeeded(quit: &mut Signal, legacy: &Legacy, serving: &Serving) -> u32 {
    while quit.recv().await.is_some() {
        // Before that it has nothing to hand over.
        serving.announced().await;
        tracing::info!("another process is started to take over");
        match legacy.hand_over().await {
            Ok(pid) => return pid,
            Err(error) => tracing::error!(%error, "no other process took over, this one goes on"),
        }
    }
    std::future::pending().await
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

/// Ends the process, as soon as what it has to say is said.
pub(crate) fn leave(log: &Log, code: i32) -> ! {
    traces::end();
    log.flush();
    process::exit(code)
}

/// How often the number of requests in flight is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long connections have to send a request.
const QUIET: Duration = Duration::from_secs(2);
/// Longer than a call to Onfido may take by default.
pub(crate) const AFTER_A_HANDOVER: Duration = Duration::from_secs(300);
