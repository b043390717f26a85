//! Finds out why a TLS handshake with a server failed, by the types of the errors and not by their texts.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{CertificateError, Error as TlsError, InvalidMessage};

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The server's certificate, or one of its authorities', has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// No trusted authority signed the server's certificate.
    UnknownIssuer,
    /// The server's certificate is for another host name.
    WrongName,
    /// The server does not speak TLS on this port.
    NoTls,
    /// Another failure, such as no common version of TLS.
    Other,
}

// === impl TlsFailure ===

impl TlsFailure {
    /// Finds the TLS error in the causes of an error; `None` if there is none.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(tls) = tls_error(error) {
                return Some(Self::classify(tls));
            }
            cause = error.source();
        }
        None
    }

    fn classify(error: &TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(error) => match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::NotYetValid
                }
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Self::WrongName
                }
                _ => Self::Other,
            },
            TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NoTls,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::UnknownIssuer => "no trusted authority signed its certificate",
            Self::WrongName => "its certificate is for another host name",
            Self::NoTls => "it does not speak TLS on this port",
            Self::Other => "the TLS handshake fails",
        })
    }
}

/// Returns the TLS error that an error is or wraps. `source` of an `io::Error` skips the error that it wraps, and `io::Error`s can
/// be nested.
pub(crate) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    let mut held = error;
    while let Some(inner) = held.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        held = inner;
    }
    held.downcast_ref::<TlsError>()
}
