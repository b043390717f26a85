//! The names of callers, in the form of a tenant's `callers` and of the access log.

use std::fmt;
use std::sync::Arc;

/// One verified name of a caller, such as `dns:processor.example`.
///
/// Comparison is exact, without case folding: two names that differ only in case can belong to two callers of a provider.
///
/// Two providers can give the same `sub` to two callers, and two certificate authorities the same subject. A name can therefore
/// begin with its issuer and a slash: `entra/sub:1`, `partners/dns:processor.example`. The configuration names the issuers
/// (`token.name` of `caller-auth`, `client_ca_name` of a listener's `tls`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CallerName {
    /// The issuer of the name. `None` means any issuer in a tenant document, and an issuer without a name for a caller.
    issuer: Option<Arc<str>>,
    kind: CallerKind,
    value: Arc<str>,
}

/// The part of a credential that a name comes from. Names of different kinds are never equal.
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

/// Why a text is not a valid name of a caller. The error does not contain the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallerNameError {
    /// The text begins with none of the prefixes.
    #[error(
        "has a name of unknown form (expected cert-subject:, cert-cn:, dns:, uri:, email:, ip:, sub:, azp:, appid:, \
         client_id: or secret:)"
    )]
    Form,
    /// Nothing follows the prefix.
    #[error("has a name with nothing after its prefix")]
    Empty,
    /// The text is too long, or contains control characters.
    #[error("has a name over 1024 bytes or with control characters")]
    Unusable,
    /// The text before the slash is not a valid name of an issuer.
    #[error(
        "has a name with an invalid issuer (expected NAME/sub: with up to 64 letters, digits, dashes, dots and \
         underscores; secret: has no issuer)"
    )]
    Issuer,
}

// === impl CallerName ===

impl CallerName {
    /// Creates a name from a credential, without an issuer.
    pub fn new(kind: CallerKind, value: impl Into<Arc<str>>) -> Self {
        Self { issuer: None, kind, value: value.into() }
    }

    /// Returns the name with this issuer.
    #[must_use]
    pub fn issued_by(self, issuer: Option<Arc<str>>) -> Self {
        Self { issuer, ..self }
    }

    /// Parses `prefix:value` or `issuer/prefix:value`. The prefix must match exactly; the value is not changed.
    ///
    /// # Errors
    ///
    /// [`CallerNameError`] with the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, CallerNameError> {
        // The first colon: values such as URIs contain more of them.
        let (before, value) = text.split_once(':').ok_or(CallerNameError::Form)?;
        let (issuer, prefix) = match before.split_once('/') {
            Some((issuer, prefix)) => (Some(issuer), prefix),
            None => (None, before),
        };
        let kind = CallerKind::ALL.into_iter().find(|kind| kind.prefix() == prefix);
        let kind = kind.ok_or(CallerNameError::Form)?;
        if issuer.is_some_and(|issuer| kind == CallerKind::Secret || !is_issuer_name(issuer)) {
            return Err(CallerNameError::Issuer);
        }
        if value.trim().is_empty() {
            return Err(CallerNameError::Empty);
        }
        if value.len() > MAX_BYTES || value.contains(char::is_control) {
            return Err(CallerNameError::Unusable);
        }
        Ok(Self::new(kind, value).issued_by(issuer.map(Arc::from)))
    }

    /// Returns the issuer.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns whether this caller matches the name `written` in a tenant document. A written name without an issuer matches the
    /// callers of all issuers.
    pub fn matches(&self, written: &Self) -> bool {
        let is_issuer = written.issuer.is_none() || written.issuer == self.issuer;
        is_issuer && self.kind == written.kind && self.value == written.value
    }

    /// Returns the kind of the name.
    pub fn kind(&self) -> CallerKind {
        self.kind
    }

    /// Returns the value after the prefix.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(issuer) = &self.issuer {
            write!(f, "{issuer}/")?;
        }
        write!(f, "{}:{}", self.kind.prefix(), self.value)
    }
}

/// Returns whether a text is a valid name of an issuer: 1 to 64 ASCII letters, digits, dashes, dots and underscores.
pub fn is_issuer_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_ISSUER).contains(&name.len()) && name.bytes().all(is_letter)
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

    /// Returns whether the names of this kind come from a certificate.
    pub fn is_of_certificate(self) -> bool {
        match self {
            Self::CertificateSubject | Self::CommonName | Self::Dns | Self::Uri | Self::Email | Self::Ip => {
                true
            }
            Self::Subject | Self::AuthorizedParty | Self::AppId | Self::ClientId | Self::Secret => false,
        }
    }

    /// Returns whether the names of this kind come from a token.
    pub fn is_of_token(self) -> bool {
        !self.is_of_certificate() && self != Self::Secret
    }

    /// Returns the prefix before the colon.
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

/// The maximum length of a value; subjects of certificates and tokens are much shorter.
const MAX_BYTES: usize = 1024;
/// The maximum length of an issuer's name.
const MAX_ISSUER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed_names_display_as_they_were_written() {
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
            "entra/sub:a/b:c",
            "partners_2.eu/cert-subject:O=a/b, CN=c",
        ] {
            assert_eq!(CallerName::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn invalid_names_are_refused() {
        let long = format!("sub:{}", "x".repeat(1025));
        for (text, error) in [
            ("processor", CallerNameError::Form),
            ("DNS:processor.example", CallerNameError::Form),
            ("dn:processor.example", CallerNameError::Form),
            (" dns:processor.example", CallerNameError::Form),
            ("sub:", CallerNameError::Empty),
            ("sub: ", CallerNameError::Empty),
            ("/sub:a", CallerNameError::Issuer),
            ("a b/sub:a", CallerNameError::Issuer),
            ("a/b/sub:a", CallerNameError::Form),
            ("a/secret:apim", CallerNameError::Issuer),
            ("https://login.example/sub:a", CallerNameError::Form),
            ("sub:a\nb", CallerNameError::Unusable),
            (&long, CallerNameError::Unusable),
        ] {
            assert_eq!(CallerName::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn names_differ_by_case_and_by_kind() {
        let name = |text| CallerName::parse(text).unwrap();

        assert_eq!(name("dns:a.example"), name("dns:a.example"));
        assert_ne!(name("dns:a.example"), name("dns:A.example"));
        assert_ne!(name("sub:a"), name("azp:a"));
    }

    #[test]
    fn name_with_an_issuer_matches_only_callers_of_that_issuer() {
        let name = |text| CallerName::parse(text).unwrap();
        let rows = [
            ("entra/sub:a", "entra/sub:a", true),
            ("entra/sub:a", "sub:a", true),
            ("entra/sub:a", "other/sub:a", false),
            ("sub:a", "entra/sub:a", false),
            ("sub:a", "sub:a", true),
            ("entra/sub:a", "entra/azp:a", false),
        ];

        for (caller, written, expected) in rows {
            assert_eq!(name(caller).matches(&name(written)), expected, "{caller} {written}");
        }
    }
}
