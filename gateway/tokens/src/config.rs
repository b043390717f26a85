//! The settings of token verification.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The accepted bearer tokens (RFC 6750) of one OpenID Connect provider, such as Microsoft Entra.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The required `iss` claim, such as `https://login.microsoftonline.com/{tenant}/v2.0`.
    pub issuer: String,
    /// The issuer's name in the names of callers (`NAME/sub:1`): up to 64 letters, digits, dashes, dots and underscores.
    /// Required when the gateway accepts tokens of several issuers. If left out, callers' names contain no issuer.
    pub name: Option<String>,
    /// The accepted values of the `aud` claim; a token must have one of them.
    pub audience: Vec<String>,
    /// The URL of the key set (JWKS, RFC 7517); default: the `jwks_uri` of the issuer's OpenID configuration.
    pub keys_url: Option<String>,
    /// Further required claims, such as `roles` or `azp`: for each, a token must have one of the values.
    #[serde(default)]
    pub claims: BTreeMap<String, Vec<String>>,
    /// The accepted kind of token; default `access`, which excludes ID tokens.
    #[serde(default)]
    pub kind: TokenKind,
    /// How often the gateway fetches the keys; from 5 s to 7 days, default 1 hour. A token with an unknown key causes a
    /// fetch at once.
    #[serde(default = "hour", with = "humantime_serde")]
    pub refresh: Duration,
    /// A PEM file with certificate authorities to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the provider may be another machine without TLS; default `false`. An attacker who can change that traffic
    /// can create valid tokens.
    #[serde(default)]
    pub allow_http: bool,
}

/// The accepted kind of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum TokenKind {
    /// An access token, recognised by the claims of Microsoft Entra, Keycloak, RFC 9068 and others.
    #[default]
    #[serde(rename = "access")]
    Access,
    /// An access token whose header has the type `at+jwt` (RFC 9068, section 2.1).
    #[serde(rename = "at+jwt")]
    Rfc9068,
    /// Any token of the issuer for the audience, including ID tokens.
    #[serde(rename = "any")]
    Any,
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}
