//! The credential of an upstream: ready when the upstream is chosen, or asked for just before the request is sent.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;
use kyc_model::Problem;

/// The value of the header that the gateway attaches last. `Debug` shows no value.
#[derive(Clone)]
pub enum UpstreamCredential {
    /// A value that does not end. It should be marked sensitive.
    Ready(HeaderValue),
    /// A source of values that end, such as access tokens.
    Source(Arc<dyn CredentialSource>),
}

/// Supplies the credential of one tenant at one upstream.
///
/// The gateway asks before it takes a connection, for each attempt of a request, and again when the connection is there, since a
/// value may have ended while it was opened.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// Returns a value that may be sent now, without waiting; `None` if it must be fetched first.
    fn ready(&self) -> Option<HeaderValue>;

    /// Returns a value that may be sent now. The gateway waits for it for ten seconds at most, and then answers 503.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that ends the request; [`kyc_model::ProblemKind::Unavailable`] when there is no value at the moment.
    async fn value(&self) -> Result<HeaderValue, Problem>;

    /// Called when the upstream answered 401 to a request with this value.
    fn refused(&self, value: &HeaderValue);
}

// === impl UpstreamCredential ===

impl fmt::Debug for UpstreamCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Ready",
            Self::Source(_) => "Source",
        })
    }
}
