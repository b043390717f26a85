//! The tenant document in a secret of Vault's (or OpenBao's) key-value engine, version 1 or 2.

mod client;
mod connection;
mod error;
mod kv;
mod login;
mod session;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tracing::{info, warn};

use kyc_http_client::Cleartext;
use kyc_model::Secret;

use super::{Source, SourceError};
use connection::Connection;
pub use error::VaultError;
use kv::{Engine, Location, Version};
use login::Login;
pub use login::{AzureIdentity, VaultAuth};
use session::{Session, Standing};

/// Where the secret is, and how to get at it.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// Scheme, host and port, as in `https://vault.example.com:8200`; a path is refused.
    pub address: String,
    /// Where the key-value engine is mounted: `kv`.
    pub mount: String,
    /// The secret below the mount, without the `data/` of version 2: `dcs/kyc-onfido`.
    pub path: String,
    /// The engine's version.
    pub version: KvVersion,
    /// The namespace that holds the mount and the login.
    pub namespace: Option<String>,
    /// Certificate authorities (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How to log in.
    pub auth: VaultAuth,
    /// The longest that one call may take.
    pub timeout: Duration,
    /// Whether Vault, and Azure's metadata service, may be at another machine without TLS.
    pub cleartext: Cleartext,
}

/// The version of a key-value engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvVersion {
    /// It is found out at the first read.
    #[default]
    Auto,
    /// Version 1: one value per secret.
    V1,
    /// Version 2: versioned.
    V2,
}

/// Reads one secret; logs in when it must, and keeps the login and the engine's version in between.
pub struct VaultSource {
    connection: Connection,
    location: Location,
    version: KvVersion,
    login: Login,
    session: Option<Session>,
    known: Option<Engine>,
    /// The version of the document that was read last.
    read: Option<Version>,
    /// Whether the token may not see the secret's metadata.
    blind: bool,
}

// === impl VaultSource ===

impl VaultSource {
    /// Checks the settings; nothing is contacted and no secret is read yet.
    ///
    /// # Errors
    ///
    /// [`VaultError::Setting`].
    pub fn new(settings: VaultSettings) -> Result<Self, VaultError> {
        settings.auth.check(settings.cleartext)?;
        Ok(Self {
            location: Location::new(&settings.mount, &settings.path)?,
            connection: Connection::new(
                &settings.address,
                settings.namespace.as_deref(),
                settings.ca_file.as_deref(),
                settings.timeout,
                settings.cleartext,
            )?,
            version: settings.version,
            login: Login::new(settings.auth),
            session: None,
            known: None,
            read: None,
            blind: false,
        })
    }

    /// Sees to it that there is a session: the one at hand, renewed, or a new one.
    async fn renew_session(&mut self) -> Result<(), VaultError> {
        let standing = match &mut self.session {
            Some(session) => session.renew().await,
            None => Standing::Over,
        };
        if standing == Standing::Good {
            return Ok(());
        }
        match self.login.log_in(&self.connection).await {
            Ok(session) => {
                info!("logged in at vault");
                self.blind = false;
                self.session = Some(session);
                Ok(())
            }
            Err(error) => match &mut self.session {
                Some(session) if standing == Standing::Ending => {
                    warn!(error = %error, "no new login at vault; the old one is used while it lives");
                    session.postpone();
                    Ok(())
                }
                _ => {
                    self.session = None;
                    Err(error)
                }
            },
        }
    }

    /// Reads once, with the login at hand or a new one.
    async fn attempt(&mut self) -> Result<Secret, VaultError> {
        self.read = None;
        self.renew_session().await?;
        let Some(session) = &self.session else { return Err(VaultError::Denied) };
        let engine = match (self.version, self.known) {
            (KvVersion::V1, _) => Some(Engine::V1),
            (KvVersion::V2, _) => Some(Engine::V2),
            (KvVersion::Auto, known) => match known {
                Some(engine) => Some(engine),
                None => self.location.ask_engine(session.client()).await?,
            },
        };
        let (engine, document) = match engine {
            Some(engine) => (engine, self.location.read(session.client(), engine).await?),
            None => self.location.probe(session.client()).await?,
        };
        self.known = Some(engine);
        self.read = document.version;
        Ok(document.fields)
    }
}

#[async_trait]
impl Source for VaultSource {
    async fn read(&mut self) -> Result<Secret, SourceError> {
        let had_session = self.session.is_some();
        let mut result = self.attempt().await;
        if matches!(result, Err(VaultError::Denied)) {
            // Also what an expired or revoked token gets. A login made a moment ago is not made twice.
            self.session = None;
            if had_session {
                result = self.attempt().await;
            }
        }
        if matches!(result, Err(VaultError::NotFound)) {
            // An engine that was upgraded to version 2 answers so on its old path.
            self.known = None;
        }
        Ok(result?)
    }

    fn version(&self) -> Option<u64> {
        self.read.as_ref().map(|(number, _)| *number)
    }

    async fn is_unchanged(&mut self) -> Result<bool, SourceError> {
        if self.read.is_none() || self.blind {
            return Ok(false);
        }
        self.renew_session().await?;
        let Some(session) = &self.session else { return Ok(false) };
        match self.location.newest(session.client()).await {
            Ok(newest) => Ok(newest.is_some() && newest == self.read),
            Err(VaultError::Denied) => {
                self.blind = true;
                Ok(false)
            }
            Err(_) => Ok(false),
        }
    }

    fn next_look(&self) -> Option<Instant> {
        self.session.as_ref().and_then(Session::due)
    }

    fn describe(&self) -> String {
        format!("vault secret {}", self.location)
    }
}

impl std::fmt::Debug for VaultSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultSource").field("secret", &self.describe()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
