//! Builds the TLS acceptor of a listener from its certificate files.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use kyc_telemetry::ConnectionMetrics;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;
use tokio_rustls::TlsAcceptor;

use crate::tls::client_names::ClientNames;
use crate::tls::client_verification::ClientVerification;
use crate::tls::files::{CertificatePart, TlsFiles, TlsProblem, both};
use crate::tls::server_certificate::ServerCertificate;

/// The TLS acceptor of one listener, which is replaced when the certificate files change.
pub struct ReloadableTls {
    pub(super) listener: String,
    pub(super) files: TlsFiles,
    pub(super) acceptor: ArcSwap<Acceptor>,
    pub(super) metrics: ConnectionMetrics,
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Reads the files and checks that they match. Returns the problems of validity: expired or not valid yet.
    ///
    /// # Errors
    ///
    /// All problems that make the files unusable.
    pub fn check(&self) -> Result<Vec<TlsProblem>, Vec<TlsProblem>> {
        let ((_, server), (_, callers)) =
            both(self.load::<ServerCertificate>(), self.load::<ClientVerification>())?;
        let now = SystemTime::now();
        Ok([server.problems(self, now), callers.problems(self, now)].concat())
    }
}

/// Builds the acceptor for new connections.
pub(super) fn acceptor(
    server: &ServerCertificate,
    callers: &ClientVerification,
) -> Result<Acceptor, Vec<TlsProblem>> {
    let mut settings = TlsSettings::with_callbacks(Box::new(ClientNames { issuer: callers.issuer.clone() }))
        .map_err(|error| problem(error.etype.as_str().to_owned()))?;
    settings.set_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&server.key))));
    if let Some(verifier) = &callers.verifier {
        settings.set_client_cert_verifier(Arc::clone(verifier));
    }
    settings.enable_h2();
    let mut made = settings.build();
    let mut config = made.acceptor.config().as_ref().clone();
    // The order of the process's provider decides.
    config.ignore_client_order = true;
    resume_sessions(&mut config, callers)?;
    made.acceptor = TlsAcceptor::from(Arc::new(config));
    Ok(made)
}

/// Lets callers resume their sessions by tickets (RFC 8446 §4.6.1), unless the listener verifies client certificates.
///
/// The keys of the tickets stay in memory. The first handshake after six hours replaces them; a ticket of the keys before is
/// accepted until the next replacement. Each acceptor has its own: no ticket is valid on another listener, or after new certificate files.
fn resume_sessions(config: &mut ServerConfig, callers: &ClientVerification) -> Result<(), Vec<TlsProblem>> {
    // Tickets need no memory per session, and handshakes no exclusive lock.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if callers.verifier.is_some() {
        // A resumed session skips the verification of the client certificate, even after the certificate has expired.
        config.send_tls13_tickets = 0;
        return Ok(());
    }
    config.ticketer = Ticketer::new().map_err(|error| problem(error.to_string()))?;
    // Each connection gives its caller one, as Go's servers do: a pool has as many as it had connections.
    config.send_tls13_tickets = 1;
    Ok(())
}

fn problem(reason: String) -> Vec<TlsProblem> {
    vec![TlsProblem { key: "", reason }]
}

// === impl ReloadableTls ===

impl fmt::Debug for ReloadableTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadableTls").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl ReloadableTls {
    /// Returns the acceptor built from the newest valid files.
    pub(crate) fn acceptor(&self) -> Arc<Acceptor> {
        self.acceptor.load_full()
    }
}
