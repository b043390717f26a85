//! Checks that calls to other machines use TLS.

use kyc_model::is_exposed;
use url::Url;

/// Whether `http://` calls to other machines are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleartext {
    /// Only to this machine.
    #[default]
    Local,
    /// To every machine: the operator set `allow_http = true`.
    Allowed,
}

/// A URL whose calls would be sent unencrypted to another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is http:// to another machine, so anyone on the network path can read credentials: use https://, or set allow_http = true"
)]
pub struct ExposedAddress;

// === impl Cleartext ===

impl Cleartext {
    /// Reads the setting `allow_http`.
    #[must_use]
    pub fn from_setting(allow_http: bool) -> Self {
        if allow_http { Self::Allowed } else { Self::Local }
    }

    /// Checks a URL.
    ///
    /// # Errors
    ///
    /// [`ExposedAddress`] for `http://` to another machine, unless that is allowed.
    pub fn check(self, url: &Url) -> Result<(), ExposedAddress> {
        match self {
            Self::Local if is_exposed(url) => Err(ExposedAddress),
            Self::Local | Self::Allowed => Ok(()),
        }
    }
}
