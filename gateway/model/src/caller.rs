//! What a caller is known by, as a tenant's `callers` and the access log write it.

use std::fmt;
use std::sync::Arc;

/// One verified name of a caller, such as `dns:processor.example`.
///
/// Compared exactly, never case-folded: two names that a provider or an authority tells apart are two callers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CallerName {
    kind: CallerKind,
    value: Arc<str>,
}

/// Where a name comes from. A name of one kind never equals one of another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallerKind {
    /// The whole subject of a certificate, in its own order.
    CertificateSubject,
    /// A common name in the subject of a certificate.
    CommonName,
    /// A DNS name among a certificate's alternative names.
    Dns,
    /// A URI among a certificate's alternative names.
    Uri,
    /// An email address among a certificate's alternative names.
    Email,
    /// An IP address among a certificate's alternative names.
    Ip,
    /// The `sub` of a token.
    Subject,
    /// The `azp` of a token: the client that it was issued to.
    AuthorizedParty,
    /// The `appid` of a token: the same in version 1 of Microsoft Entra's tokens.
    AppId,
    /// The `client_id` of a token: the same in RFC 9068.
    ClientId,
    /// The name of a secret of `caller-auth`.
    Secret,
}

/// Why a text is no name of a caller. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallerNameError {
    /// It begins with none of the prefixes.
    #[error(
        "has a name of no known form (cert-subject:, cert-cn:, dns:, uri:, email:, ip:, sub:, azp:, appid:, \
         client_id: or secret:)"
    )]
    Form,
    /// Nothing follows the prefix.
    #[error("has a name with nothing behind its prefix")]
    Empty,
    /// It is too long, or holds what no name holds.
    #[error("has a name over 1024 bytes or with control characters")]
    Unusable,
}

// === impl CallerName ===

impl CallerName {
    /// A name as a credential has it.
    pub fn new(kind: CallerKind, value: impl Into<Arc<str>>) -> Self {
        Self { kind, value: value.into() }
    }

    /// Reads `prefix:value`. The prefix is matched exactly, the value stays as it is.
    ///
    /// # Errors
    ///
    /// [`CallerNameError`].
    pub fn parse(text: &str) -> Result<Self, CallerNameError> {
        let (prefix, value) = text.split_once(':').ok_or(CallerNameError::Form)?;
        let kind = CallerKind::ALL.into_iter().find(|kind| kind.prefix() == prefix);
        let kind = kind.ok_or(CallerNameError::Form)?;
        if value.trim().is_empty() {
            return Err(CallerNameError::Empty);
        }
        if value.len() > MAX_BYTES || value.contains(char::is_control) {
            return Err(CallerNameError::Unusable);
        }
        Ok(Self::new(kind, value))
    }

    /// Where the name comes from.
    pub fn kind(&self) -> CallerKind {
        self.kind
    }

    /// What follows the prefix.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.prefix(), self.value)
    }
}

// === impl CallerKind ===

impl CallerKind {
    const ALL: [Self; 11] = [
        Self::CertificateSubject,
        Self::CommonName,
        Self::Dns,
        Self::Uri,
        Self::Email,
        Self::Ip,
        Self::Subject,
        Self::AuthorizedParty,
        Self::AppId,
        Self::ClientId,
        Self::Secret,
    ];

    /// What stands before the colon.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::CertificateSubject => "cert-subject",
            Self::CommonName => "cert-cn",
            Self::Dns => "dns",
            Self::Uri => "uri",
            Self::Email => "email",
            Self::Ip => "ip",
            Self::Subject => "sub",
            Self::AuthorizedParty => "azp",
            Self::AppId => "appid",
            Self::ClientId => "client_id",
            Self::Secret => "secret",
        }
    }
}

/// Subjects of certificates and tokens are far shorter.
const MAX_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_as_it_is_written() {
        for text in [
            "cert-subject:O=FintechOS, CN=processor",
            "cert-cn:processor",
            "dns:processor.example",
            "uri:spiffe://example/processor",
            "email:processor@example",
            "ip:192.0.2.1",
            "sub:a:b",
            "azp:1",
            "appid:1",
            "client_id:1",
            "secret:apim",
        ] {
            assert_eq!(CallerName::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("sub:{}", "x".repeat(1025));
        for (text, error) in [
            ("processor", CallerNameError::Form),
            ("DNS:processor.example", CallerNameError::Form),
            ("dn:processor.example", CallerNameError::Form),
            (" dns:processor.example", CallerNameError::Form),
            ("sub:", CallerNameError::Empty),
            ("sub: ", CallerNameError::Empty),
            ("sub:a\nb", CallerNameError::Unusable),
            (&long, CallerNameError::Unusable),
        ] {
            assert_eq!(CallerName::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn names_are_never_folded_or_mixed() {
        let name = |text| CallerName::parse(text).unwrap();

        assert_eq!(name("dns:a.example"), name("dns:a.example"));
        assert_ne!(name("dns:a.example"), name("dns:A.example"));
        assert_ne!(name("sub:a"), name("azp:a"));
    }
}
