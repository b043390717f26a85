//! Who can reach a route.

use super::issuers::Authority;

/// Who can reach a route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Some listener that serves it takes connections from elsewhere than this machine.
    pub(crate) is_public: bool,
    /// Some listener that serves it asks for client certificates.
    pub(crate) shows_certificates: bool,
    /// The names of those that ask for none.
    pub(crate) without_certificates: Vec<String>,
    /// Whose certificates those that ask for one take.
    pub(crate) authorities: Vec<Authority>,
}
