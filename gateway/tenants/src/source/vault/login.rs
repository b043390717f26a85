//! The login methods of Vault. To add one, add a variant to [`VaultAuth`] and its arm to [`Login::log_in`].

mod azure;

use std::path::{Path, PathBuf};

use vaultrs::api::AuthInfo;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::cert::requests::LoginRequest as CertificateLogin;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;
use vaultrs::api::sys::requests::UnwrapRequest;

use kyc_http_client::Cleartext;
use kyc_model::{Secret, SecretSource};

use super::client::CallError;
use super::connection::{Connection, identity, setting};
use super::session::Session;
use super::{VaultError, kv};
pub use azure::AzureIdentity;

/// The login method and its settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VaultAuth {
    /// An existing token. The gateway renews it while Vault allows that, and reads it again when Vault refuses it.
    Token(SecretSource),
    /// The method `approle`: a role id and a secret id. The secret id is read at each login.
    AppRole {
        /// The mount of the method; default `approle`.
        mount: String,
        /// The role id.
        role_id: String,
        /// The secret id, or the wrapping token.
        secret_id: SecretSource,
        /// Whether `secret_id` is a wrapping token (response wrapping), which can be unwrapped once.
        wrapped: bool,
    },
    /// The methods `jwt` and `kubernetes`: a token of another issuer.
    Jwt {
        /// The mount of the method.
        mount: String,
        /// The role.
        role: String,
        /// The token, read at each login.
        jwt: SecretSource,
    },
    /// The method `azure`: the managed identity of an Azure machine.
    Azure {
        /// The mount of the method; default `azure`.
        mount: String,
        /// The role.
        role: String,
        /// The source of the identity's token.
        identity: AzureIdentity,
    },
    /// The method `cert`: a TLS client certificate. Vault chooses the role that matches it.
    Certificate {
        /// The mount of the method; default `cert`.
        mount: String,
        /// The certificate with its chain (PEM), read at each login.
        certificate_file: PathBuf,
        /// The private key (PEM), read at each login.
        key_file: PathBuf,
    },
}

/// Logs in with one method, and keeps what two logins share.
pub(super) struct Login {
    auth: VaultAuth,
    unwrapped: Option<Unwrapped>,
}

/// An unwrapped secret id with its wrapping token. It is kept for the next login, because the token cannot be unwrapped twice.
struct Unwrapped {
    wrapping: Secret,
    secret_id: Secret,
}

// === impl VaultAuth ===

impl VaultAuth {
    /// Checks the settings without reading a secret.
    pub(super) fn check(&self, cleartext: Cleartext) -> Result<(), VaultError> {
        if let Self::Azure { identity, .. } = self {
            identity.check(cleartext)?;
        }
        let mount = match self {
            Self::Token(_) => return Ok(()),
            Self::AppRole { role_id, .. } if role_id.trim().is_empty() => {
                return Err(setting("role_id", "is empty"));
            }
            Self::Jwt { role, .. } | Self::Azure { role, .. } if role.trim().is_empty() => {
                return Err(setting("role", "is empty"));
            }
            Self::AppRole { mount, .. }
            | Self::Jwt { mount, .. }
            | Self::Azure { mount, .. }
            | Self::Certificate { mount, .. } => mount,
        };
        kv::checked_path("auth_mount", mount).map(drop)
    }
}

// === impl Login ===

impl Login {
    pub(super) fn new(auth: VaultAuth) -> Self {
        Self { auth, unwrapped: None }
    }

    /// Logs in and returns the session.
    ///
    /// # Errors
    ///
    /// [`VaultError::Secret`] when a secret cannot be read, [`VaultError::Login`] when Vault refuses the login, and the errors
    /// of the connection.
    pub(super) async fn log_in(&mut self, connection: &Connection) -> Result<Session, VaultError> {
        let mut certificate = None;
        let granted = match &self.auth {
            VaultAuth::Token(source) => {
                return Session::from_token(connection, &read("token", source)?).await;
            }
            VaultAuth::AppRole { mount, role_id, secret_id, wrapped } => {
                let mut secret_id = read("secret_id", secret_id)?;
                if *wrapped {
                    secret_id = unwrap(connection, &mut self.unwrapped, secret_id).await?;
                }
                let anonymous = connection.anonymous()?;
                let request = LoginWithApproleRequest {
                    mount: trim_slashes(mount).to_owned(),
                    role_id: role_id.trim().to_owned(),
                    secret_id: secret_id.reveal().to_owned(),
                };
                anonymous.auth(request).await
            }
            VaultAuth::Jwt { mount, role, jwt } => {
                let jwt = read("jwt", jwt)?;
                log_in_with_jwt(connection, mount, role, &jwt).await?
            }
            VaultAuth::Azure { mount, role, identity } => {
                let jwt = identity.fetch_token(connection.timeout()).await?;
                log_in_with_jwt(connection, mount, role, &jwt).await?
            }
            VaultAuth::Certificate { mount, certificate_file, key_file } => {
                let identity = identity(&pem(certificate_file)?, &pem(key_file)?)?;
                let client = connection.with_certificate(identity.clone())?;
                certificate = Some(identity);
                let cert_name = ANY_ROLE.to_owned();
                client.auth(CertificateLogin { mount: trim_slashes(mount).to_owned(), cert_name }).await
            }
        };
        Session::from_login(connection, granted.map_err(VaultError::of_login)?, certificate)
    }
}

/// Logs in with a token and a role: the request of `jwt`, `kubernetes` and `azure`.
async fn log_in_with_jwt(
    connection: &Connection,
    mount: &str,
    role: &str,
    jwt: &Secret,
) -> Result<Result<AuthInfo, CallError>, VaultError> {
    let request = JWTLoginRequest {
        mount: trim_slashes(mount).to_owned(),
        jwt: jwt.reveal().to_owned(),
        role: Some(role.trim().to_owned()),
    };
    Ok(connection.anonymous()?.auth(request).await)
}

/// Unwraps a secret id, or returns the one that the same wrapping token gave before: a token can be unwrapped only once.
async fn unwrap(
    connection: &Connection,
    kept: &mut Option<Unwrapped>,
    wrapping: Secret,
) -> Result<Secret, VaultError> {
    if let Some(kept) = kept
        && kept.wrapping.matches(wrapping.reveal().as_bytes())
    {
        return Ok(kept.secret_id.clone());
    }
    #[derive(serde::Deserialize)]
    struct Wrapped {
        secret_id: Secret,
    }
    let client = connection.with_token(&wrapping)?;
    let unwrapped = client.data(UnwrapRequest { token: None }).await.map_err(VaultError::of_unwrapping)?;
    let Wrapped { secret_id } =
        serde_json::from_value(unwrapped).map_err(|_| VaultError::UnexpectedResponse)?;
    *kept = Some(Unwrapped { wrapping, secret_id: secret_id.clone() });
    Ok(secret_id)
}

fn trim_slashes(mount: &str) -> &str {
    mount.trim_matches('/')
}

fn read(name: &'static str, source: &SecretSource) -> Result<Secret, VaultError> {
    source.read().map_err(|source| VaultError::Secret { name, source })
}

fn pem(path: &Path) -> Result<Secret, VaultError> {
    read("certificate", &SecretSource::File(path.to_owned()))
}

/// `vaultrs` sends the role under another field name than Vault expects (`name`), so a value would have no effect.
const ANY_ROLE: &str = "";
