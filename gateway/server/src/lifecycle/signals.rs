//! Signals, and how the gateway stops: not ready, then no new connections. And how it makes way for another process, which
//! serves before this one stops.
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

/// The signals that the gateway answers. They are asked for before it listens: whoever sees it listen can send one,
/// and each one that comes is kept until it is waited for.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// For a drain that is under way.
    drain_signals: DrainSignals,
    hangup: Signal,
    quit: Signal,
}

/// What an operator sends who does not want to wait for a drain.
pub(crate) struct DrainSignals {
    /// Ends it.
    pub(super) interrupt: Signal,
    /// After a handover: gives it no more time than any other.
    pub(super) terminate: Signal,
}

/// Waits for SIGTERM (drain), SIGINT (stop at once) or SIGQUIT (drain when another process serves), and makes `/readyz`
/// fail before listeners close.
pub(crate) struct ShutdownSignals {
    readiness: Readiness,
    /// Between the end of readiness and that of the listeners.
    delay: Duration,
    log: Log,
    waiting: Mutex<Waiting>,
    /// Told when another process serves.
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
            drain_signals: DrainSignals {
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
            // Pingora would wait for its threads, and one that accepts may find its runtime gone and try for ever.
            _ = interrupt.recv() => exit_after_flush(&self.log, 0),
            successor = succeeded(quit, handover, &self.serving) => Some(successor),
        };
        // Sockets that nobody else has are closed for good.
        handover.close();
        if let Some(pid) = replaced_by {
            // Only the main process is listened to, and this one is it.
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

/// Returns when another process serves. One that does not come so far changes nothing.
async fn succeeded(quit: &mut Signal, handover: &Handover, serving: &StartupProgress) -> u32 {
    while quit.recv().await.is_some() {
        // Before that it has nothing to hand over.
        serving.until_serving().await;
        tracing::info!("handover: starting the new process");
        match handover.run().await {
            Ok(pid) => return pid,
            Err(error) => tracing::error!(%error, "handover failed; this process keeps serving"),
        }
    }
    std::future::pending().await
}
