//! The settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bearer tokens (RFC 6750) that an OpenID Connect provider signs, such as Microsoft Entra.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Who signs them, as their `iss` says, such as `https://login.microsoftonline.com/{tenant}/v2.0`.
    pub issuer: String,
    /// What the issuer is called in the names of callers (`NAME/sub:1`): letters, digits, dashes, dots and underscores.
    /// Needed where tokens of several issuers are taken. Left out: it has no name.
    pub name: Option<String>,
    /// Whom they are for: one of these is their `aud`.
    pub audience: Vec<String>,
    /// Where the keys are (RFC 7517); default: as the issuer's OpenID configuration says.
    pub keys_url: Option<String>,
    /// What else they must say: for each claim one of these values, such as `roles` or `azp`.
    #[serde(default)]
    pub claims: BTreeMap<String, Vec<String>>,
    /// What a token must be; default `access`, which no ID token is.
    #[serde(default)]
    pub kind: TokenKind,
    /// How often the keys are fetched; default 1 hour. A token by an unknown key lets them be fetched at once.
    #[serde(default = "hour", with = "humantime_serde")]
    pub refresh: Duration,
    /// Certificates (PEM) to trust for that besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the provider may be another machine without TLS; default `false`. Whoever can change what travels there
    /// can make valid tokens.
    #[serde(default)]
    pub allow_http: bool,
}

/// What a token must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum TokenKind {
    /// An access token, as far as providers let that be seen: Microsoft Entra, Keycloak, RFC 9068 and others.
    #[default]
    #[serde(rename = "access")]
    Access,
    /// One whose header says so (RFC 9068, section 2.1).
    #[serde(rename = "at+jwt")]
    Rfc9068,
    /// Any token of the issuer for the audience, ID tokens too.
    #[serde(rename = "any")]
    Any,
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}
