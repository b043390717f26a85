//! The settings.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use kyc_plugin_api::Forwarded;
use kyc_tokens::TokenConfig;
use serde::Deserialize;

/// The settings of `caller-auth`. No check is on by default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether a caller must pass all configured checks or any of them; default `all`.
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
    pub forwarded: Option<Forwarded>,
    /// The client certificates that callers show, each by its subject, such as `O=FintechOS, CN=processor`, or by an
    /// alternative name, such as `DNS:processor.example`; `*` is every one that the listener lets in. Left out: none is
    /// asked for.
    pub certificates: Option<Vec<String>>,
    /// The tokens that callers carry. Left out: none is asked for.
    pub token: Option<TokenConfig>,
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

/// How several checks are combined.
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
            header: SECRET_HEADER.to_string(),
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

/// The header with the secret, where the settings name no other.
pub const SECRET_HEADER: HeaderName = HeaderName::from_static("x-gateway-secret");
