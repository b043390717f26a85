//! The sections `tls` of listeners.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTls {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) client_ca_file: Option<PathBuf>,
    /// Left out: its authorities have no name.
    pub(crate) client_ca_name: Option<String>,
    #[serde(default)]
    pub(crate) client_crl_files: Vec<PathBuf>,
    /// Left out: required, where there is somebody to have signed it.
    pub(crate) client_certificate: Option<ClientCertificate>,
}

/// Whether a caller must show a certificate, where there is somebody to have signed it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCertificate {
    Required,
    Optional,
}
