//! What becomes of calls to portals, and to Onfido for signing tokens.

use std::sync::Arc;

use kyc_http_client::ExposedAddress;

use crate::addresses::RefusedAddress;

/// A call that got no whole answer. The texts hold neither the address nor a header.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Connecting, sending or receiving took too long.
    #[error("no answer in time")]
    Timeout,
    /// Name, address, port or certificate: there was no connection to send on.
    #[error("no connection")]
    Unreachable(#[source] Arc<reqwest::Error>),
    /// The connection broke, or what came was not HTTP.
    #[error("no whole answer")]
    Broken(#[source] Arc<reqwest::Error>),
    /// The address is one that no portal may have.
    #[error("its address is in a range that portals may not have (portal.allow)")]
    Refused,
    /// The address is without TLS at another machine.
    #[error("its address {0}")]
    Exposed(#[from] ExposedAddress),
}

// === impl TransportError ===

impl From<RefusedAddress> for TransportError {
    fn from(_: RefusedAddress) -> Self {
        Self::Refused
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        // The address may hold ids.
        let error = error.without_url();
        if error.is_timeout() {
            return Self::Timeout;
        }
        if error.is_connect() { Self::Unreachable(Arc::new(error)) } else { Self::Broken(Arc::new(error)) }
    }
}
