//! The settings.

use std::path::PathBuf;

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
    /// A file with the secret.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the secret.
    pub secret_env: Option<String>,
    /// A file with the secret that was valid before, while it is rotated.
    pub previous_secret_file: Option<PathBuf>,
    /// The same as an environment variable.
    pub previous_secret_env: Option<String>,
    /// The networks that callers connect from; the direct peer counts, no forwarding header.
    /// Left out: none is asked for.
    pub allow: Option<Vec<IpNet>>,
    /// The client certificates that callers show, each by its subject, such as `O=FintechOS, CN=processor`, or by an
    /// alternative name, such as `DNS:processor.example`; `*` is every one that the listener lets in. Left out: none is
    /// asked for.
    pub certificates: Option<Vec<String>>,
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
            allow: None,
            certificates: None,
        }
    }
}
