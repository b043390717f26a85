//! What a plugin requires of its route, so that `check` refuses a route on which it could never work.

use std::sync::Arc;

/// Kinds of credentials of callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// A named secret that callers share with the gateway.
    pub secrets: bool,
    /// A client certificate.
    pub certificates: bool,
    /// A token.
    pub tokens: bool,
}

/// Whether a plugin requires client certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateUse {
    /// Certificates are ignored.
    #[default]
    Unused,
    /// A certificate is one of several accepted credentials.
    Accepted,
    /// Every caller needs a certificate.
    Needed,
}

/// The requirements of a plugin: on its route, on the plugins before it and on the listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// A plugin before it must have found the tenant.
    pub tenant: bool,
    /// A plugin before it must verify one of these.
    pub proofs: Proofs,
    /// Whether the listeners of the route must ask for client certificates.
    pub certificate: CertificateUse,
    /// Placeholders that each path pattern of the route must have, such as `configurationName`.
    pub parameters: &'static [&'static str],
    /// A placeholder that each path pattern of the route must have for the rest of the path, such as `path` for `{*path}`.
    pub rest: Option<&'static str>,
}

// === impl Proofs ===

impl Proofs {
    /// Returns whether the set is empty.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Returns whether all kinds of `needed` are in this set.
    pub fn cover(self, needed: Self) -> bool {
        (self.secrets || !needed.secrets)
            && (self.certificates || !needed.certificates)
            && (self.tokens || !needed.tokens)
    }

    /// The union of two sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            secrets: self.secrets || other.secrets,
            certificates: self.certificates || other.certificates,
            tokens: self.tokens || other.tokens,
        }
    }
}

/// The issuer of the tokens that a plugin accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The claim `iss` of its tokens.
    pub url: String,
    /// Its name in the configuration, which prefixes the names of callers.
    pub name: Option<Arc<str>>,
}
