//! The challenges of a 401, which name the credentials that a route accepts (RFC 9110 §11.6.1).

use http::HeaderValue;

/// A credential that a route accepts, as `WWW-Authenticate` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A bearer token in `Authorization` (RFC 6750 §3).
    Bearer,
    /// A shared secret, or the id of a tenant, in a header of its own.
    ApiKey,
    /// A signature of the body.
    Signature,
    /// A client certificate.
    Certificate,
}

// === impl Challenge ===

impl Challenge {
    /// Returns the value of `WWW-Authenticate`. Only `Bearer` is a registered scheme: no registered one describes a secret in another
    /// header than `Authorization`, or a client certificate. Strangers do not learn the names of headers.
    pub const fn to_header_value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Bearer => r#"Bearer realm="kyc-gateway""#,
            Self::ApiKey => r#"ApiKey realm="kyc-gateway""#,
            Self::Signature => r#"Signature realm="kyc-gateway""#,
            Self::Certificate => r#"ClientCertificate realm="kyc-gateway""#,
        })
    }
}
