//! The section `tenants.vault` of the file.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Vault {
    pub(crate) address: Option<String>,
    pub(crate) mount: String,
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) namespace: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) allow_http: bool,
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
    pub(crate) auth: Auth,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) token_env: Option<String>,
    pub(crate) auth_mount: Option<String>,
    pub(crate) role_id: Option<String>,
    pub(crate) secret_id_file: Option<PathBuf>,
    pub(crate) secret_id_env: Option<String>,
    pub(crate) secret_id_wrapped: bool,
    pub(crate) role: Option<String>,
    pub(crate) jwt_file: Option<PathBuf>,
    pub(crate) jwt_env: Option<String>,
    pub(crate) azure_endpoint: String,
    pub(crate) azure_resource: String,
    pub(crate) azure_client_id: Option<String>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Version {
    Auto,
    #[serde(rename = "1")]
    V1,
    #[serde(rename = "2")]
    V2,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auth {
    Token,
    Approle,
    Kubernetes,
    Jwt,
    Azure,
    Cert,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            address: None,
            mount: "kv".to_owned(),
            path: "dcs/kyc-onfido".to_owned(),
            version: Version::Auto,
            namespace: None,
            ca_file: None,
            allow_http: false,
            timeout: Duration::from_secs(10),
            auth: Auth::Token,
            token_file: None,
            token_env: None,
            auth_mount: None,
            role_id: None,
            secret_id_file: None,
            secret_id_env: None,
            secret_id_wrapped: false,
            role: None,
            jwt_file: None,
            jwt_env: None,
            azure_endpoint: "http://169.254.169.254".to_owned(),
            azure_resource: "https://management.azure.com/".to_owned(),
            azure_client_id: None,
            certificate_file: None,
            key_file: None,
        }
    }
}

// === impl Auth ===

impl Auth {
    /// The name in the configuration, which is also the method's name in Vault.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Approle => "approle",
            Self::Kubernetes => "kubernetes",
            Self::Jwt => "jwt",
            Self::Azure => "azure",
            Self::Cert => "cert",
        }
    }
}
