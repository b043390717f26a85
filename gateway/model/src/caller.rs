//! What a caller is known by, as a tenant's `callers` and the access log write it.

use std::fmt;
use std::sync::Arc;

/// One verified name of a caller, such as `dns:processor.example`.
///
/// Compared exactly, never case-folded: two names that a provider or an authority tells apart are two callers.
///
/// Two providers may give the same `sub` to two callers, and two authorities the same subject. So a name may say who
/// vouches for it, before a slash: `entra/sub:1`, `partners/dns:processor.example`. The configuration gives providers and
/// authorities these names (`token.name` of `caller-auth`, `client_ca_name` of a listener's `tls`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CallerName {
    /// Who vouches for it; absent: anybody in a document, somebody without a name for a caller.
    issuer: Option<Arc<str>>,
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
    /// What stands before the slash is no name of a provider or an authority.
    #[error(
        "has a name with an issuer that none can have (NAME/sub: with up to 64 letters, digits, dashes, dots and \
         underscores; secret: has none)"
    )]
    Issuer,
}

// === impl CallerName ===

impl CallerName {
    /// A name as a credential has it.
    pub fn new(kind: CallerKind, value: impl Into<Arc<str>>) -> Self {
        Self { issuer: None, kind, value: value.into() }
    }

    /// The same name, for which somebody vouches.
    #[must_use]
    pub fn issued_by(self, issuer: Option<Arc<str>>) -> Self {
        Self { issuer, ..self }
    }

    /// Reads `prefix:value` or `issuer/prefix:value`. The prefix is matched exactly, the value stays as it is.
    ///
    /// # Errors
    ///
    /// [`CallerNameError`].
    pub fn parse(text: &str) -> Result<Self, CallerNameError> {
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

    /// Who vouches for it.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Says whether a document that has `written` means the caller of this name. Without an issuer it means every caller
    /// who is called so, whoever vouches for him.
    pub fn is_meant_by(&self, written: &Self) -> bool {
        let is_issuer = written.issuer.is_none() || written.issuer == self.issuer;
        is_issuer && self.kind == written.kind && self.value == written.value
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
        if let Some(issuer) = &self.issuer {
            write!(f, "{issuer}/")?;
        }
        write!(f, "{}:{}", self.kind.prefix(), self.value)
    }
}

/// Says whether a provider of tokens or an authority may be called this.
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

    /// Says whether a certificate has names of this kind.
    pub fn is_of_certificate(self) -> bool {
        match self {
            Self::CertificateSubject | Self::CommonName | Self::Dns | Self::Uri | Self::Email | Self::Ip => {
                true
            }
            Self::Subject | Self::AuthorizedParty | Self::AppId | Self::ClientId | Self::Secret => false,
        }
    }

    /// Says whether a token has names of this kind.
    pub fn is_of_token(self) -> bool {
        !self.is_of_certificate() && self != Self::Secret
    }

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
const MAX_ISSUER: usize = 64;

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
            "entra/sub:a/b:c",
            "partners_2.eu/cert-subject:O=a/b, CN=c",
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
    fn names_are_never_folded_or_mixed() {
        let name = |text| CallerName::parse(text).unwrap();

        assert_eq!(name("dns:a.example"), name("dns:a.example"));
        assert_ne!(name("dns:a.example"), name("dns:A.example"));
        assert_ne!(name("sub:a"), name("azp:a"));
    }

    #[test]
    fn a_name_with_an_issuer_means_that_issuers_caller_alone() {
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
            assert_eq!(name(caller).is_meant_by(&name(written)), expected, "{caller} {written}");
        }
    }
}
