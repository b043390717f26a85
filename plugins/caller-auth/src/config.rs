//! The settings of the plugin `caller-auth`.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use kyc_plugin_api::Forwarded;
use kyc_tokens::TokenConfig;
use serde::Deserialize;

/// The settings of the plugin `caller-auth`. No check is enabled by default, and at least one is required.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether a caller must pass every configured check, or one of them; default `all`.
    pub require: Require,
    /// The header that carries the secret; default `X-Gateway-Secret`.
    pub header: String,
    /// A file with the secret; at least 16 bytes. Its name in `callers` and the access log is `shared`.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the secret, instead of a file.
    pub secret_env: Option<String>,
    /// A file with the previous secret, which stays valid during a rotation.
    pub previous_secret_file: Option<PathBuf>,
    /// An environment variable with the previous secret, instead of a file.
    pub previous_secret_env: Option<String>,
    /// More secrets, each with a name for the tenants' `callers` and the access log. Two secrets with the same name belong
    /// to the same caller, which uses both during a rotation.
    pub secrets: Vec<SecretConfig>,
    /// How often the gateway reads the secret files again; from 10 ms to 1 day, default 10 s.
    #[serde(with = "humantime_serde")]
    pub secret_poll: Duration,
    /// The networks that callers may connect from. Without `forwarded` the address of the direct peer is checked, and no
    /// header. If left out, addresses are not checked.
    pub allow: Option<Vec<IpNet>>,
    /// The trusted proxies that send the caller's address in a header. If left out, no such header is trusted.
    pub forwarded: Option<Forwarded>,
    /// The accepted client certificates, each by its subject, such as `O=FintechOS, CN=processor`, or by an alternative
    /// name, such as `DNS:processor.example`; `*` accepts every certificate that the listener has verified. If left out,
    /// certificates are not checked.
    pub certificates: Option<Vec<String>>,
    /// The accepted bearer tokens. If left out, tokens are not checked.
    pub token: Option<TokenConfig>,
}

/// One secret of a caller.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretConfig {
    /// The caller's name; up to 64 letters, digits, dashes, dots and underscores.
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
    /// A caller must pass every configured check.
    All,
    /// A caller must pass one configured check.
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
