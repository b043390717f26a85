//! Which callers can reach a route.

use super::issuers::Authority;

/// Which callers can reach a route, and with which certificates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// At least one listener of the route accepts connections from other machines.
    pub(crate) is_public: bool,
    /// At least one listener of the route requests client certificates.
    pub(crate) requests_certificates: bool,
    /// The names of the route's listeners that request no client certificates.
    pub(crate) without_certificates: Vec<String>,
    /// The certificate authorities of the route's other listeners.
    pub(crate) authorities: Vec<Authority>,
}
