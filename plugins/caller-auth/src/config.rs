//! The settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

/// The settings of `caller-auth`. What guards has no default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether a caller needs all that is asked for, or any of it; default `all`.
    pub require: Require,
    /// The header with the secret; default `X-Gateway-Secret`.
    pub header: String,
    /// A file with the secret, whose name is `shared`.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the secret.
    pub secret_env: Option<String>,
    /// A file with the secret that was valid before, while it is rotated.
    pub previous_secret_file: Option<PathBuf>,
    /// The same as an environment variable.
    pub previous_secret_env: Option<String>,
    /// More secrets, each with a name that tenants' `callers` and the access log have. Two of one name are the same
    /// caller, while it changes from one to the other.
    pub secrets: Vec<SecretConfig>,
    /// How often the files of secrets are read again; default 10 s.
    #[serde(with = "humantime_serde")]
    pub secret_poll: Duration,
    /// The networks that callers connect from; without `forwarded` the direct peer counts, and no header.
    /// Left out: none is asked for.
    pub allow: Option<Vec<IpNet>>,
    /// The proxies in front that say in a header where the caller connects from. Left out: none is believed.
    pub forwarded: Option<ForwardedConfig>,
    /// The client certificates that callers show, each by its subject, such as `O=FintechOS, CN=processor`, or by an
    /// alternative name, such as `DNS:processor.example`; `*` is every one that the listener lets in. Left out: none is
    /// asked for.
    pub certificates: Option<Vec<String>>,
    /// The tokens that callers carry. Left out: none is asked for.
    pub token: Option<TokenConfig>,
}

/// Whose word is taken for where a caller connects from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardedConfig {
    /// The header that each of them adds the address to that it was called from.
    pub header: ForwardedHeader,
    /// Their networks; the rightmost address outside them is the caller's.
    pub trusted: Vec<IpNet>,
}

/// A header with addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ForwardedHeader {
    /// RFC 7239.
    Forwarded,
    /// Addresses alone.
    #[serde(rename = "X-Forwarded-For")]
    XForwardedFor,
}

/// One secret of a caller.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretConfig {
    /// What the caller is called.
    pub name: String,
    /// A file with the secret.
    pub file: Option<PathBuf>,
    /// An environment variable with the secret.
    pub env: Option<String>,
}

/// Bearer tokens (RFC 6750) that an OpenID Connect provider signs, such as Microsoft Entra.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Who signs them, as their `iss` says, such as `https://login.microsoftonline.com/{tenant}/v2.0`.
    pub issuer: String,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
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

/// How several conditions are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// Every one.
    All,
    /// One of them.
    Any,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            require: Require::All,
            header: "X-Gateway-Secret".to_owned(),
            secret_file: None,
            secret_env: None,
            previous_secret_file: None,
            previous_secret_env: None,
            secrets: Vec::new(),
            secret_poll: Duration::from_secs(10),
            allow: None,
            forwarded: None,
            certificates: None,
            token: None,
        }
    }
}
