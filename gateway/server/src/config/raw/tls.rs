//! The section `tls` of a listener in the file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTls {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) client_ca_file: Option<PathBuf>,
    /// `None`: the certificate authorities have no name.
    pub(crate) client_ca_name: Option<String>,
    #[serde(default)]
    pub(crate) client_crl_files: Vec<PathBuf>,
    /// `None`: required if `client_ca_file` is set.
    pub(crate) client_certificate: Option<ClientCertificate>,
}

/// Whether a caller must present a certificate. Applies when `client_ca_file` is set.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCertificate {
    Required,
    Optional,
}
