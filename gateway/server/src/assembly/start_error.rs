//! Why the gateway does not start.

use std::net::SocketAddr;

use kyc_plugin_api::PrepareError;
use kyc_telemetry::log::LogError;
use kyc_telemetry::traces::EnvironmentError;
use kyc_tenants::{VaultError, causes};

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
    #[error("{name} cannot start: {}", causes(source))]
    Background {
        /// The work.
        name: &'static str,
        /// Why not.
        source: PrepareError,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the list")]
    struct Unreadable(#[source] std::io::Error);

    #[test]
    fn an_operator_sees_every_cause_of_background_work_that_cannot_start() {
        let reason = Unreadable(std::io::Error::other("no such disk"));

        let refused = [PrepareError::new("no room"), PrepareError::new(reason)]
            .map(|source| StartError::Background { name: "event delivery", source });

        assert_eq!(
            refused.map(|error| error.to_string()),
            [
                "event delivery cannot start: no room",
                "event delivery cannot start: cannot read the list: no such disk",
            ]
        );
    }
}
