//! Why the gateway does not start.

use std::net::SocketAddr;

use kyc_telemetry::log::LogError;
use kyc_telemetry::traces::EnvironmentError;
use kyc_tenants::VaultError;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// A listener cannot bind its address.
    #[error("listener {name} cannot listen at {address}: {source}")]
    Listen {
        /// The listener's name.
        name: String,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The admin socket cannot be made.
    #[error("the admin socket {} cannot be made: {source}", path.display())]
    AdminSocket {
        /// The path of the socket.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate changed since it was checked.
    #[error("listener {name} cannot use its certificates: {reason}")]
    Tls {
        /// The listener's name.
        name: String,
        /// Which file, and what is wrong with it.
        reason: String,
    },
    /// Signal handlers cannot be registered.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
    /// The background work of a plugin cannot start.
    #[error("{name} cannot start: {reason}")]
    Background {
        /// The work.
        name: &'static str,
        /// Why not.
        reason: String,
    },
    /// The log cannot be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Spans cannot be exported.
    #[error(transparent)]
    Traces(#[from] EnvironmentError),
    /// The Vault settings cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
