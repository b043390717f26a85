//! The error of a failed start.

use std::net::SocketAddr;

use kyc_plugin_api::PrepareError;
use kyc_telemetry::MetricError;
use kyc_telemetry::log::LogError;
use kyc_telemetry::traces::EnvironmentError;
use kyc_tenants::{VaultError, error_chain};

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
        /// The error of the system.
        source: std::io::Error,
    },
    /// The admin socket cannot be created.
    #[error("cannot create the admin socket {}: {source}", path.display())]
    AdminSocket {
        /// The path of the socket.
        path: std::path::PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A certificate file changed after the configuration was checked, and cannot be used.
    #[error("listener {name} cannot use its certificates: {reason}")]
    Tls {
        /// The listener's name.
        name: String,
        /// The file and its problem.
        reason: String,
    },
    /// Signal handlers cannot be registered.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
    /// The background work of a plugin cannot start.
    #[error("{name} cannot start: {}", error_chain(reason))]
    Background {
        /// The name of the work.
        name: &'static str,
        /// The reason.
        reason: PrepareError,
    },
    /// The log cannot be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The export of spans cannot be set up.
    #[error(transparent)]
    Traces(#[from] EnvironmentError),
    /// A metric cannot be registered.
    #[error(transparent)]
    Metrics(#[from] MetricError),
    /// The Vault settings are not valid.
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
            .map(|reason| StartError::Background { name: "event delivery", reason });

        assert_eq!(
            refused.map(|error| error.to_string()),
            [
                "event delivery cannot start: no room",
                "event delivery cannot start: cannot read the list: no such disk",
            ]
        );
    }
}
