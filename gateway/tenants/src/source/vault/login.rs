//! The ways to log in at Vault. A further one is a variant here and its arm in [`Login::log_in`].

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

/// How to log in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VaultAuth {
    /// A token made by somebody else. It is renewed while Vault allows that, and read again when Vault refuses it.
    Token(SecretSource),
    /// A role id and a secret id; the secret id is read at each login.
    AppRole {
        /// Where the method is mounted; `approle` by default.
        mount: String,
        /// The role.
        role_id: String,
        /// The secret that goes with it.
        secret_id: SecretSource,
        /// Whether it comes wrapped: what is read is a token that gives the secret id, once.
        wrapped: bool,
    },
    /// A signed statement of somebody else's about who this is: the methods `jwt` and `kubernetes`.
    Jwt {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// The token, read at each login.
        jwt: SecretSource,
    },
    /// The managed identity of a machine at Azure.
    Azure {
        /// Where the method is mounted; `azure` by default.
        mount: String,
        /// The role.
        role: String,
        /// Whom to ask for the identity's token.
        identity: AzureIdentity,
    },
    /// A TLS client certificate; Vault finds the role that it fits.
    Certificate {
        /// Where the method is mounted; `cert` by default.
        mount: String,
        /// The certificate with its chain (PEM), read at each login.
        certificate_file: PathBuf,
        /// Its key (PEM).
        key_file: PathBuf,
    },
}

/// A way to log in, and what must be kept between two logins.
pub(super) struct Login {
    auth: VaultAuth,
    unwrapped: Option<Unwrapped>,
}

/// A secret id that came wrapped; its wrapping is used up.
struct Unwrapped {
    wrapping: Secret,
    secret_id: Secret,
}

// === impl VaultAuth ===

impl VaultAuth {
    /// Checks what can be checked without reading a secret.
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
        kv::checked("auth_mount", mount).map(drop)
    }
}

// === impl Login ===

impl Login {
    pub(super) fn new(auth: VaultAuth) -> Self {
        Self { auth, unwrapped: None }
    }

    pub(super) async fn log_in(&mut self, connection: &Connection) -> Result<Session, VaultError> {
        let mut shown = None;
        let granted = match &self.auth {
            VaultAuth::Token(source) => return Session::given(connection, &read("token", source)?).await,
            VaultAuth::AppRole { mount, role_id, secret_id, wrapped } => {
                let mut secret_id = read("secret_id", secret_id)?;
                if *wrapped {
                    secret_id = unwrap(connection, &mut self.unwrapped, secret_id).await?;
                }
                let anonymous = connection.anonymous()?;
                let request = LoginWithApproleRequest {
                    mount: bare(mount).to_owned(),
                    role_id: role_id.trim().to_owned(),
                    secret_id: secret_id.reveal().to_owned(),
                };
                anonymous.auth(request).await
            }
            VaultAuth::Jwt { mount, role, jwt } => {
                let jwt = read("jwt", jwt)?;
                by_jwt(connection, mount, role, &jwt).await?
            }
            VaultAuth::Azure { mount, role, identity } => {
                let jwt = identity.token(connection.timeout()).await?;
                by_jwt(connection, mount, role, &jwt).await?
            }
            VaultAuth::Certificate { mount, certificate_file, key_file } => {
                let identity = identity(&pem(certificate_file)?, &pem(key_file)?)?;
                let client = connection.identified(identity.clone())?;
                shown = Some(identity);
                let cert_name = ANY_ROLE.to_owned();
                client.auth(CertificateLogin { mount: bare(mount).to_owned(), cert_name }).await
            }
        };
        Session::granted(connection, granted.map_err(VaultError::of_login)?, shown)
    }
}

/// The form that `jwt`, `kubernetes` and `azure` share.
async fn by_jwt(
    connection: &Connection,
    mount: &str,
    role: &str,
    jwt: &Secret,
) -> Result<Result<AuthInfo, CallError>, VaultError> {
    let request = JWTLoginRequest {
        mount: bare(mount).to_owned(),
        jwt: jwt.reveal().to_owned(),
        role: Some(role.trim().to_owned()),
    };
    Ok(connection.anonymous()?.auth(request).await)
}

/// Opens a wrapping, unless that was done: it opens once.
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
    let client = connection.client(&wrapping)?;
    let opened = client.data(UnwrapRequest { token: None }).await.map_err(VaultError::of_unwrapping)?;
    let Wrapped { secret_id } = serde_json::from_value(opened).map_err(|_| VaultError::Answer)?;
    *kept = Some(Unwrapped { wrapping, secret_id: secret_id.clone() });
    Ok(secret_id)
}

fn bare(mount: &str) -> &str {
    mount.trim_matches('/')
}

fn read(name: &'static str, source: &SecretSource) -> Result<Secret, VaultError> {
    source.read().map_err(|source| VaultError::Secret { name, source })
}

fn pem(path: &Path) -> Result<Secret, VaultError> {
    read("certificate", &SecretSource::File(path.to_owned()))
}

/// `vaultrs` calls the field otherwise than Vault does, so that a name in it would choose nothing.
const ANY_ROLE: &str = "";
