//! Whether a call may go out without TLS.

use kyc_model::is_exposed;
use url::Url;

/// Whether `http://` to other machines is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleartext {
    /// Only to this machine.
    #[default]
    Local,
    /// Everywhere: the operator wrote `allow_http = true`.
    Allowed,
}

/// An address that everybody on the way could read the call to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is http:// to another machine, where everybody on the way can read credentials: use https://, or write allow_http = true"
)]
pub struct ExposedAddress;

// === impl Cleartext ===

impl Cleartext {
    /// Reads the setting `allow_http`.
    #[must_use]
    pub fn from_setting(allow_http: bool) -> Self {
        if allow_http { Self::Allowed } else { Self::Local }
    }

    /// Checks an address.
    ///
    /// # Errors
    ///
    /// [`ExposedAddress`].
    pub fn check(self, url: &Url) -> Result<(), ExposedAddress> {
        match self {
            Self::Local if is_exposed(url) => Err(ExposedAddress),
            Self::Local | Self::Allowed => Ok(()),
        }
    }
}
