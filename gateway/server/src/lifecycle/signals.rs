//! Signals: SIGTERM drains, SIGINT stops at once, SIGHUP reloads the tenants, SIGQUIT hands over to a new process.
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kyc_admin::Readiness;
use kyc_telemetry::log::Log;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, watch};

use crate::lifecycle::exit::exit_after_flush;
use crate::lifecycle::handover::{Handover, notify_systemd};
use crate::lifecycle::startup_progress::StartupProgress;

/// The handled signals. They are registered before the gateway listens, so that a signal sent as soon as a port is open is not
/// lost; each is kept until something waits for it.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// The signals for a drain in progress.
    drain_signals: DrainSignals,
    hangup: Signal,
    quit: Signal,
}

/// Signals that shorten a drain in progress.
pub(crate) struct DrainSignals {
    /// Ends the drain.
    pub(super) interrupt: Signal,
    /// Ends the extra drain time after a handover.
    pub(super) terminate: Signal,
}

/// Waits for SIGTERM (drain), SIGINT (stop at once) or SIGQUIT (drain after a handover), and makes `/readyz` fail before the
/// listeners close.
pub(crate) struct ShutdownSignals {
    readiness: Readiness,
    /// The time between not being ready and closing the listeners (`server.drain_delay`).
    delay: Duration,
    log: Log,
    waiting: Mutex<Waiting>,
    /// Set to true when a new process serves.
    replace: Arc<watch::Sender<bool>>,
    serving: StartupProgress,
}

struct Waiting {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    handover: Handover,
}

// === impl Signals ===

impl Signals {
    /// Registers all signals. This replaces their default action, which is to end the process.
    ///
    /// # Errors
    ///
    /// When the system refuses to register a signal.
    pub(crate) fn register() -> std::io::Result<Self> {
        // Tokio delivers signals to every runtime of the process, so a temporary runtime can register them.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let _entered = runtime.enter();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            drain_signals: DrainSignals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            },
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Splits the signals between the shutdown, a drain in progress, and the tenant reload.
    pub(crate) fn split(
        self,
        (readiness, delay): (Readiness, Duration),
        log: Log,
        handover: Handover,
        replace: Arc<watch::Sender<bool>>,
        serving: StartupProgress,
    ) -> (ShutdownSignals, DrainSignals, Signal) {
        let Self { terminate, interrupt, drain_signals, hangup, quit } = self;
        let waiting = Mutex::new(Waiting { terminate, interrupt, quit, handover });
        (ShutdownSignals { readiness, delay, log, waiting, replace, serving }, drain_signals, hangup)
    }
}

// === impl ShutdownSignals ===

#[async_trait]
impl ShutdownSignalWatch for ShutdownSignals {
    async fn recv(&self) -> ShutdownSignal {
        let mut waiting = self.waiting.lock().await;
        let Waiting { terminate, interrupt, quit, handover } = &mut *waiting;
        let replaced_by = tokio::select! {
            _ = terminate.recv() => None,
            // Pingora would wait for its threads here, and an accept loop without a runtime can spin forever.
            _ = interrupt.recv() => exit_after_flush(&self.log, 0),
            successor = succeeded(quit, handover, &self.serving) => Some(successor),
        };
        // Closes this process's copies of the sockets, so that they close when no other process has them.
        handover.close();
        if let Some(pid) = replaced_by {
            // systemd accepts notifications from the main process only, which is still this one.
            notify_systemd(&[NotifyState::MainPid(pid)]);
            self.replace.send_replace(true);
            tracing::info!(pid, "handover complete; the new process serves");
        } else {
            notify_systemd(&[NotifyState::Stopping]);
            self.readiness.drain();
            tokio::select! {
                () = tokio::time::sleep(self.delay) => {}
                _ = interrupt.recv() => exit_after_flush(&self.log, 0),
            }
        }
        tracing::info!("draining");
        ShutdownSignal::GracefulTerminate
    }
}

/// Waits until a new process serves, and returns its process id. A failed handover is logged, and this process keeps serving.
async fn succeeded(quit: &mut Signal, handover: &Handover, serving: &StartupProgress) -> u32 {
    while quit.recv().await.is_some() {
        // A process that does not serve yet has nothing to hand over.
        serving.until_serving().await;
        tracing::info!("handover: starting the new process");
        match handover.run().await {
            Ok(pid) => return pid,
            Err(error) => tracing::error!(%error, "handover failed; this process keeps serving"),
        }
    }
    std::future::pending().await
}
