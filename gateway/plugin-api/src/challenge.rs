//! The challenges of a 401, which name the credentials that a route accepts (RFC 9110 §11.6.1).

use http::{HeaderName, HeaderValue};

/// A credential that a route accepts, as `WWW-Authenticate` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A bearer token in `Authorization` (RFC 6750 §3).
    Bearer,
    /// A shared secret, or the id of a tenant, in this header.
    ApiKey(HeaderName),
    /// A signature of the body in this header.
    Signature(HeaderName),
    /// A client certificate.
    Certificate,
}

// === impl Challenge ===

impl Challenge {
    /// Returns the value of `WWW-Authenticate`. Only `Bearer` is a registered scheme: no registered one describes a secret in another
    /// header than `Authorization`, or a client certificate.
    pub fn to_header_value(&self) -> HeaderValue {
        let text = match self {
            Self::Bearer => return HeaderValue::from_static(r#"Bearer realm="kyc-gateway""#),
            Self::Certificate => return HeaderValue::from_static(r#"ClientCertificate realm="kyc-gateway""#),
            Self::ApiKey(header) => format!(r#"ApiKey realm="kyc-gateway", header="{header}""#),
            Self::Signature(header) => format!(r#"Signature realm="kyc-gateway", header="{header}""#),
        };
        // Cannot fail: the name of a header is a token.
        HeaderValue::try_from(text)
            .unwrap_or_else(|_| HeaderValue::from_static(r#"ApiKey realm="kyc-gateway""#))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_has_a_scheme_a_realm_and_the_header() {
        let key = HeaderName::from_static("x-key");
        let rows = [
            (Challenge::Bearer, r#"Bearer realm="kyc-gateway""#),
            (Challenge::ApiKey(key.clone()), r#"ApiKey realm="kyc-gateway", header="x-key""#),
            (Challenge::Signature(key), r#"Signature realm="kyc-gateway", header="x-key""#),
            (Challenge::Certificate, r#"ClientCertificate realm="kyc-gateway""#),
        ];

        for (challenge, expected) in rows {
            assert_eq!(challenge.to_header_value(), expected);
        }
    }
}
