//! The ways to log in at Vault. A further one is a variant here and its arm in [`VaultAuth::login`].

use std::time::Duration;

use tokio::time::Instant;
use vaultrs::api::AuthInfo;
use vaultrs::auth::approle;
use vaultrs::client::VaultClient;

use kyc_model::{Secret, SecretSource};

use super::connection::{Connection, setting};
use super::{VaultError, kv};

/// How to log in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VaultAuth {
    /// A token made by somebody else. It is read again when Vault refuses it.
    Token(SecretSource),
    /// A role id and a secret id; the secret id is read at each login.
    AppRole {
        /// Where the method is mounted; `approle` by default.
        mount: String,
        /// The role.
        role_id: String,
        /// The secret that goes with it.
        secret_id: SecretSource,
    },
}

/// A client with a token.
pub(super) struct Session {
    client: VaultClient,
    expires: Option<Instant>,
}

// === impl VaultAuth ===

impl VaultAuth {
    /// Checks what can be checked without reading a secret.
    pub(super) fn check(&self) -> Result<(), VaultError> {
        match self {
            Self::Token(_) => Ok(()),
            Self::AppRole { role_id, .. } if role_id.trim().is_empty() => Err(setting("role_id", "is empty")),
            Self::AppRole { mount, .. } => kv::checked("auth mount", mount).map(drop),
        }
    }

    pub(super) async fn login(&self, connection: &Connection) -> Result<Session, VaultError> {
        match self {
            Self::Token(source) => {
                let client = connection.client(&read("token", source)?)?;
                Ok(Session { client, expires: None })
            }
            Self::AppRole { mount, role_id, secret_id } => {
                let secret_id = read("secret_id", secret_id)?;
                let anonymous = connection.anonymous()?;
                let mount = mount.trim_matches('/');
                let granted = approle::login(&anonymous, mount, role_id.trim(), secret_id.reveal())
                    .await
                    .map_err(|error| VaultError::of_login(&error))?;
                Session::granted(connection, granted)
            }
        }
    }
}

// === impl Session ===

impl Session {
    /// Takes over what any login method grants.
    pub(super) fn granted(connection: &Connection, granted: AuthInfo) -> Result<Self, VaultError> {
        let life = Duration::from_secs(granted.lease_duration);
        // A token without a life never expires. The last third is left for a Vault that is away.
        let expires = (!life.is_zero()).then(|| Instant::now() + life * 2 / 3);
        Ok(Self { client: connection.client(&Secret::new(granted.client_token))?, expires })
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.expires.is_none_or(|expires| Instant::now() < expires)
    }

    pub(super) fn client(&self) -> &VaultClient {
        &self.client
    }
}

fn read(name: &'static str, source: &SecretSource) -> Result<Secret, VaultError> {
    source.read().map_err(|source| VaultError::Secret { name, source })
}
