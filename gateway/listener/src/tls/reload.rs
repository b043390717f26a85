//! Reloads certificate files when they change.
//!
//! The certificates in use stay until the files hold valid ones: unusable, expired or not yet valid files do not replace them. A
//! certificate that becomes valid later is used from then on. The server certificate and the verification of clients are
//! reloaded independently, so that a broken server certificate cannot delay a revocation.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use kyc_telemetry::Metrics;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::time::{MissedTickBehavior, interval};

use crate::tls::acceptor::{ReloadableTls, acceptor};
use crate::tls::client_verification::ClientVerification;
use crate::tls::files::{CertificatePart, Contents, TlsFiles, TlsProblem, both};
use crate::tls::server_certificate::ServerCertificate;

/// Checks the certificate files of all listeners periodically.
pub struct CertificateReload {
    watched: Vec<WatchedFiles>,
    every: Duration,
}

struct WatchedFiles {
    certificates: Arc<ReloadableTls>,
    state: Mutex<State>,
}

struct State {
    server: InUse<ServerCertificate>,
    callers: InUse<ClientVerification>,
    /// Whether the acceptor must be rebuilt from the parts in use.
    is_stale: bool,
}

/// The part in use, and the newest contents of its files.
struct InUse<P> {
    part: P,
    /// The contents at the last check.
    seen: Contents,
    /// Whether these contents cannot be used.
    is_refused: bool,
    /// Whether these contents are usable, but not valid at the moment.
    is_waiting: bool,
}

/// The result of checking the files of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CheckResult {
    /// Unchanged.
    Same,
    /// Changed; the new contents are in use.
    New,
    /// Changed, but refused.
    Refused,
}

// === impl CertificateReload ===

impl fmt::Debug for CertificateReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateReload").field("every", &self.every).finish_non_exhaustive()
    }
}

impl CertificateReload {
    /// Checks the files every `every`.
    pub fn new(every: Duration) -> Self {
        Self { watched: Vec::new(), every }
    }

    /// Loads the files of a listener and watches them from now on.
    ///
    /// # Errors
    ///
    /// All problems of the files.
    pub fn watch(
        &mut self,
        listener: &str,
        files: TlsFiles,
        metrics: &Metrics,
    ) -> Result<Arc<ReloadableTls>, Vec<TlsProblem>> {
        let (server, callers) =
            both(InUse::<ServerCertificate>::load(&files), InUse::<ClientVerification>::load(&files))?;
        let made = acceptor(&server.part, &callers.part)?;
        let metrics = metrics.listener(listener);
        metrics.certificate_expires(server.part.leaf.until);
        metrics.certificate_files_refused(false);
        metrics.client_ca_expires(callers.part.next_authority_end());
        metrics.revocation_lists_expire(callers.part.next_list());
        let acceptor = ArcSwap::from_pointee(made);
        let certificates =
            Arc::new(ReloadableTls { listener: listener.to_owned(), files, acceptor, metrics });
        let state = Mutex::new(State { server, callers, is_stale: false });
        self.watched.push(WatchedFiles { certificates: Arc::clone(&certificates), state });
        Ok(certificates)
    }

    /// Returns whether no listener has certificate files.
    pub fn is_idle(&self) -> bool {
        self.watched.is_empty()
    }
}

#[async_trait]
impl BackgroundService for CertificateReload {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.watched.iter().for_each(|watched| watched.check(SystemTime::now())),
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
        }
    }
}

// === impl WatchedFiles ===

impl WatchedFiles {
    /// Reloads what changed.
    fn check(&self, now: SystemTime) {
        let ReloadableTls { listener, files, acceptor: used, metrics } = &*self.certificates;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let server = state.server.check(listener, files, now);
        let callers = state.callers.check(listener, files, now);
        state.is_stale |= server == CheckResult::New || callers == CheckResult::New;
        let mut is_refused = server == CheckResult::Refused || callers == CheckResult::Refused;
        if state.is_stale {
            match acceptor(&state.server.part, &state.callers.part) {
                Ok(made) => {
                    used.store(Arc::new(made));
                    state.is_stale = false;
                    let expires = state.server.part.leaf.until;
                    metrics.certificate_expires(expires);
                    metrics.client_ca_expires(state.callers.part.next_authority_end());
                    metrics.revocation_lists_expire(state.callers.part.next_list());
                    tracing::info!(listener, expires, ?server, ?callers, "certificate files reloaded");
                }
                Err(problems) => {
                    is_refused = true;
                    refuse(listener, ServerCertificate::FILES, "cannot be used", &problems);
                }
            }
        }
        metrics.certificate_files_refused(is_refused);
    }
}

// === impl InUse ===

impl<P: CertificatePart> InUse<P> {
    fn load(files: &TlsFiles) -> Result<Self, Vec<TlsProblem>> {
        let (seen, part) = files.load()?;
        Ok(Self { part, seen, is_refused: false, is_waiting: false })
    }

    /// Reloads the part if its files changed. A refusal is logged once, and the previous part stays in use.
    fn check(&mut self, listener: &str, files: &TlsFiles, now: SystemTime) -> CheckResult {
        let contents = match P::read(files) {
            Ok(contents) => contents,
            // A file can be missing for a moment while it is being replaced, so this is checked again.
            Err(problems) => {
                refuse(listener, P::FILES, "cannot be read", &problems);
                return CheckResult::Refused;
            }
        };
        let is_new = contents != self.seen;
        if !is_new && !self.is_waiting {
            return if self.is_refused { CheckResult::Refused } else { CheckResult::Same };
        }
        let decoded = P::decode(files, &contents);
        self.seen = contents;
        (self.is_refused, self.is_waiting) = (false, false);
        let part = match decoded {
            Ok(part) => part,
            Err(problems) => {
                self.is_refused = true;
                refuse(listener, P::FILES, "cannot be used", &problems);
                return CheckResult::Refused;
            }
        };
        let problems = part.problems(files, now);
        if !problems.is_empty() && self.part.problems(files, now).is_empty() {
            self.is_waiting = true;
            if is_new {
                refuse(listener, P::FILES, "are not valid now", &problems);
            }
            return CheckResult::Refused;
        }
        let problems = part.rollback_problems(&self.part);
        if !problems.is_empty() {
            self.is_refused = true;
            refuse(listener, P::FILES, "would take back what was revoked", &problems);
            return CheckResult::Refused;
        }
        self.part = part;
        CheckResult::New
    }
}

fn refuse(listener: &str, files: &str, reason: &str, problems: &[TlsProblem]) {
    let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    tracing::error!(
        listener,
        files,
        reason,
        problems,
        "new certificate files are refused; the previous ones stay in use"
    );
}

#[cfg(test)]
mod tests;
