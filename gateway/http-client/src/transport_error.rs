//! The error of a call without a response. It contains neither the URL nor header fields.

use std::sync::Arc;

use crate::{ExposedAddress, TlsFailure};

/// Why a call got no complete response. The texts contain neither the URL nor header fields.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// Connecting, sending or receiving timed out.
    #[error("no response in time")]
    Timeout,
    /// No connection, because of name resolution, TCP or TLS.
    #[error("no connection")]
    Unreachable(#[source] Arc<reqwest::Error>),
    /// The connection was closed, or the response was not valid HTTP.
    #[error("no complete response")]
    Broken(#[source] Arc<reqwest::Error>),
    /// The address is in a refused range; the text names the kind of range and the configuration key.
    #[error("{0}")]
    Refused(&'static str),
    /// The URL is `http://` to another machine.
    #[error("its address {0}")]
    Exposed(#[from] ExposedAddress),
}

// === impl TransportError ===

impl TransportError {
    /// Returns why the TLS handshake failed; `None` if the call failed for another reason.
    pub fn tls_failure(&self) -> Option<TlsFailure> {
        match self {
            Self::Unreachable(error) | Self::Broken(error) => TlsFailure::of(error.as_ref()),
            Self::Timeout | Self::Refused(_) | Self::Exposed(_) => None,
        }
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        // The URL may contain ids of applicants.
        let error = error.without_url();
        // First the timeout: a connect timeout is also a connect error.
        if error.is_timeout() {
            return Self::Timeout;
        }
        if error.is_connect() { Self::Unreachable(Arc::new(error)) } else { Self::Broken(Arc::new(error)) }
    }
}
