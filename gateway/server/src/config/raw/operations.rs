//! The section `admin.operations` of the file.
use std::path::PathBuf;

use kyc_admin::Role;
use kyc_tokens::TokenConfig;
use serde::{Deserialize, Serialize};

use super::tls::RawTls;

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawOperations {
    /// `None`: with the probes if their address is a loopback address, otherwise off.
    pub(crate) address: Option<String>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) socket_mode: SocketMode,
    pub(crate) tls: Option<RawTls>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) logins: Vec<RawLogin>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLogin {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) certificate: Option<String>,
    pub(crate) token: Option<TokenConfig>,
}

/// Which users may connect to the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) enum SocketMode {
    /// The gateway's user.
    #[default]
    #[serde(rename = "0600")]
    Owner,
    /// The gateway's user and group.
    #[serde(rename = "0660")]
    Group,
}
