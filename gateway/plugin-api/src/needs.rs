//! What a plugin needs before it can work, so that `check` refuses a route on which it never could.

use std::sync::Arc;

/// Credentials of callers, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// A secret that callers share with the gateway, with a name.
    pub secrets: bool,
    /// A client certificate.
    pub certificates: bool,
    /// A token.
    pub tokens: bool,
}

/// Whether callers must show a client certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateUse {
    /// None is looked at.
    #[default]
    Unused,
    /// One is enough, and something else is, too.
    Accepted,
    /// Nobody is let in without one.
    Needed,
}

/// What a plugin needs of its route, of the plugins before it and of the listeners in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// It works for a tenant, which a plugin before it has found.
    pub tenant: bool,
    /// A plugin before it has verified one of these.
    pub proofs: Proofs,
    /// A listener in front asks for client certificates.
    pub certificate: CertificateUse,
    /// What each path pattern of the route has in braces, such as `configurationName`.
    pub parameters: &'static [&'static str],
}

// === impl Proofs ===

impl Proofs {
    /// Says whether there is none at all.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Says whether all of `needed` are among these.
    pub fn cover(self, needed: Self) -> bool {
        (self.secrets || !needed.secrets)
            && (self.certificates || !needed.certificates)
            && (self.tokens || !needed.tokens)
    }

    /// These and those of another plugin.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            secrets: self.secrets || other.secrets,
            certificates: self.certificates || other.certificates,
            tokens: self.tokens || other.tokens,
        }
    }
}

/// Who signs the tokens that a plugin takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// As tokens say it (`iss`).
    pub url: String,
    /// What the configuration calls it, in the names of callers.
    pub name: Option<Arc<str>>,
}
