//! Why a call got no answer, without its address or its header fields.

use std::sync::Arc;

use crate::ExposedAddress;

/// A call that got no whole answer. The texts hold neither the address nor a header.
#[derive(Clone, Debug, thiserror::Error)]
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
    /// The address is in a range that the configuration refuses; the text names the range's owner and the key.
    #[error("{0}")]
    Refused(&'static str),
    /// The address is without TLS at another machine.
    #[error("its address {0}")]
    Exposed(#[from] ExposedAddress),
}

// === impl TransportError ===

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
