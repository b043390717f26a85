//! Builds the clients of one Vault server. Every setting is set explicitly, so that none comes from the environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use reqwest::Identity;
use vaultrs::api::EndpointMiddleware;

use kyc_http_client::{Cleartext, ClientError, ClientSettings, Trust};
use kyc_model::{Secret, UpstreamBase};

use super::VaultError;
use super::client::{HttpClient, VaultClient};

/// The checked address of a Vault server with its connection settings.
pub(super) struct Connection {
    address: UpstreamBase,
    namespace: Option<String>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
}

// === impl Connection ===

impl Connection {
    /// Checks the settings; opens no connection.
    ///
    /// # Errors
    ///
    /// [`VaultError::Setting`] for the first setting that cannot be used.
    pub(super) fn new(
        address: &str,
        namespace: Option<&str>,
        ca_file: Option<&Path>,
        timeout: Duration,
        cleartext: Cleartext,
    ) -> Result<Self, VaultError> {
        let address =
            UpstreamBase::parse(address).map_err(|problem| setting("address", problem.to_string()))?;
        cleartext.check(address.url()).map_err(|problem| setting("address", problem.to_string()))?;
        if !address.path().is_empty() {
            // `vaultrs` inserts `/v1` before the whole path, so an address with a path cannot work.
            return Err(setting("address", "must not have a path"));
        }
        if namespace
            .is_some_and(|namespace| namespace.is_empty() || HeaderValue::try_from(namespace).is_err())
        {
            return Err(setting("namespace", "is empty or has characters that are not allowed in a header"));
        }
        let (namespace, ca_file) = (namespace.map(str::to_owned), ca_file.map(Path::to_owned));
        Ok(Self { address, namespace, ca_file, timeout })
    }

    /// Builds a client without a token, for a login.
    pub(super) fn anonymous(&self) -> Result<VaultClient, VaultError> {
        self.build("", None)
    }

    /// Builds a client without a token and with a client certificate, for a login.
    pub(super) fn with_certificate(&self, identity: Identity) -> Result<VaultClient, VaultError> {
        self.build("", Some(identity))
    }

    /// Returns the time limit of one call.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Builds a client that sends `token`.
    pub(super) fn with_token(&self, token: &Secret) -> Result<VaultClient, VaultError> {
        self.with_token_and_certificate(token, None)
    }

    /// Builds a client that sends `token`, and uses the client certificate if there is one.
    pub(super) fn with_token_and_certificate(
        &self,
        token: &Secret,
        identity: Option<Identity>,
    ) -> Result<VaultClient, VaultError> {
        if token.header_value("").is_none() {
            return Err(VaultError::Token); // `vaultrs` would panic.
        }
        self.build(token.reveal(), identity)
    }

    fn build(&self, token: &str, identity: Option<Identity>) -> Result<VaultClient, VaultError> {
        // Without TLS no certificate is verified, so none is loaded.
        let trust =
            if self.address.is_tls() { Trust::system_and(self.ca_file.as_deref()) } else { Trust::Nobody };
        let settings = ClientSettings {
            whole: Some(self.timeout),
            identity,
            ..ClientSettings::new(self.timeout, trust)
        };
        let client = settings.build().map_err(|error| match (error, &self.ca_file) {
            (ClientError::Unreadable { path, .. } | ClientError::Empty { path }, _) => {
                VaultError::CaFile { path }
            }
            (ClientError::Unusable(_), Some(path)) => VaultError::CaFile { path: path.clone() },
            (_, _) => VaultError::Tls,
        })?;
        let middleware = EndpointMiddleware {
            token: token.to_owned(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: self.namespace.clone(),
        };
        Ok(VaultClient { http: HttpClient { address: self.address.url().to_string(), client }, middleware })
    }
}

/// Builds a TLS identity from a certificate and its key.
pub(super) fn identity(certificate: &Secret, key: &Secret) -> Result<Identity, VaultError> {
    let pem = Secret::new(format!("{}\n{}\n", certificate.reveal(), key.reveal()));
    Identity::from_pem(pem.reveal().as_bytes()).map_err(|_| VaultError::ClientCertificate)
}

/// Builds the error for a setting that cannot be used.
pub(super) fn setting(name: &'static str, problem: impl Into<String>) -> VaultError {
    VaultError::Setting { name, problem: problem.into() }
}
