//! Reads the tenant document from a secret in the key-value engine of Vault or OpenBao, version 1 or 2.
//!
//! The login is kept and renewed between polls, because each login creates a token that Vault must store until it expires. A
//! poll with version 2 first reads only the metadata; an unchanged version is not read again.

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
use serde_json::Value;

use super::write::{WritableSource, WriteError};
use super::{Source, SourceError};
use connection::Connection;
pub use error::VaultError;
use kv::{Engine, Location, Version};
use login::Login;
pub use login::{AzureIdentity, VaultAuth};
use session::{Session, TokenState};

/// Where the secret is, and how to log in.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// Scheme, host and port, as in `https://vault.example.com:8200`; a path is refused.
    pub address: String,
    /// The mount of the key-value engine, such as `kv`.
    pub mount: String,
    /// The path of the secret below the mount, without the `data/` of version 2, such as `dcs/kyc-onfido`.
    pub path: String,
    /// The version of the engine.
    pub version: KvVersion,
    /// The namespace of the mount and of the login.
    pub namespace: Option<String>,
    /// A PEM file with certificate authorities to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// The login method.
    pub auth: VaultAuth,
    /// The time limit of one call.
    pub timeout: Duration,
    /// Whether Vault, and Azure's metadata service, may be on another machine without TLS.
    pub cleartext: Cleartext,
}

/// The version of a key-value engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvVersion {
    /// The gateway detects the version at the first read.
    #[default]
    Auto,
    /// Version 1, which keeps one value per secret.
    V1,
    /// Version 2, which keeps several versions of a secret.
    V2,
}

/// Reads one secret; keeps the login and the detected engine version between reads.
pub struct VaultSource {
    connection: Connection,
    location: Location,
    version: KvVersion,
    login: Login,
    session: Option<Session>,
    /// The detected version of the engine.
    engine: Option<Engine>,
    /// The version of the document that was read last.
    read: Option<Version>,
    /// Whether Vault denied reading the secret's metadata.
    metadata_denied: bool,
}

// === impl VaultSource ===

impl VaultSource {
    /// Checks the settings; opens no connection and reads no secret.
    ///
    /// # Errors
    ///
    /// [`VaultError::Setting`] for the first setting that cannot be used.
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
            engine: None,
            read: None,
            metadata_denied: false,
        })
    }

    /// Ensures that there is a usable session: renews the current one if it is time, or logs in.
    async fn ensure_session(&mut self) -> Result<(), VaultError> {
        let state = match &mut self.session {
            Some(session) => session.renew_if_due().await,
            None => TokenState::Expired,
        };
        if state == TokenState::Valid {
            return Ok(());
        }
        match self.login.log_in(&self.connection).await {
            Ok(session) => {
                info!("logged in at vault");
                // The new token may have another policy.
                self.metadata_denied = false;
                self.session = Some(session);
                Ok(())
            }
            Err(error) => match &mut self.session {
                Some(session) if state == TokenState::Ending => {
                    warn!(error = %error, "vault login failed; the current token stays in use until it expires");
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

    /// Reads the secret once, with the current login or a new one.
    async fn read_once(&mut self) -> Result<Secret, VaultError> {
        // If this read fails, `is_unchanged` must not compare with the version of an earlier one.
        self.read = None;
        self.ensure_session().await?;
        let Some(session) = &self.session else { return Err(VaultError::Denied) };
        let engine = match (self.version, self.engine) {
            (KvVersion::V1, _) => Some(Engine::V1),
            (KvVersion::V2, _) => Some(Engine::V2),
            (KvVersion::Auto, Some(engine)) => Some(engine),
            (KvVersion::Auto, None) => self.location.fetch_engine(session.client()).await?,
        };
        let (engine, document) = match engine {
            Some(engine) => (engine, self.location.read(session.client(), engine).await?),
            None => self.location.probe(session.client()).await?,
        };
        self.engine = Some(engine);
        self.read = document.version;
        Ok(document.fields)
    }
}

#[async_trait]
impl Source for VaultSource {
    async fn read(&mut self) -> Result<Secret, SourceError> {
        let had_session = self.session.is_some();
        let mut result = self.read_once().await;
        if matches!(result, Err(VaultError::Denied)) {
            // Vault also answers 403 to an expired or revoked token, so a new login may help. After a fresh login it would not.
            self.session = None;
            if had_session {
                result = self.read_once().await;
            }
        }
        if matches!(result, Err(VaultError::NotFound)) {
            // After an upgrade of the engine to version 2, the old path answers 404. The next read detects the version again.
            self.engine = None;
        }
        Ok(result?)
    }

    fn version(&self) -> Option<u64> {
        self.read.as_ref().map(|(number, _)| *number)
    }

    async fn is_unchanged(&mut self) -> Result<bool, SourceError> {
        if self.read.is_none() || self.metadata_denied {
            return Ok(false);
        }
        self.ensure_session().await?;
        let Some(session) = &self.session else { return Ok(false) };
        match self.location.current_version(session.client()).await {
            Ok(current) => Ok(current.is_some() && current == self.read),
            Err(VaultError::Denied) => {
                // A policy may grant the secret without its metadata. One denied request per login is enough to learn that.
                self.metadata_denied = true;
                Ok(false)
            }
            Err(_) => Ok(false),
        }
    }

    fn next_poll(&self) -> Option<Instant> {
        self.session.as_ref().and_then(Session::renewal_due)
    }

    fn describe(&self) -> String {
        format!("vault secret {}", self.location)
    }
}

#[async_trait]
impl WritableSource for VaultSource {
    async fn replace(&mut self, _before: &Secret, after: &Secret) -> Result<(), WriteError> {
        let fields = writable_fields(after)?;
        // Only engines of version 2 have one.
        let Some((number, _)) = self.read.clone() else { return Err(WriteError::NoCheckAndSet) };
        self.ensure_session().await.map_err(SourceError::from)?;
        let Some(session) = &self.session else { return Err(SourceError::from(VaultError::Denied).into()) };
        let written = self.location.write(session.client(), number, fields).await;
        // Version and text of the last read do not belong together any more.
        let read = self.read.take();
        match written {
            Ok(()) => Ok(()),
            // Vault answers 400 to a version that is not the current one, and to other mistakes.
            Err(VaultError::Status { status: 400 }) => {
                match self.location.current_version(session.client()).await {
                    Ok(current) if current == read => {
                        Err(SourceError::from(VaultError::Status { status: 400 }).into())
                    }
                    // A policy may grant the secret without its metadata.
                    Ok(_) | Err(_) => Err(WriteError::Conflict),
                }
            }
            Err(error) if error.may_have_written() => Err(WriteError::Uncertain(error.into())),
            Err(error) => Err(SourceError::from(error).into()),
        }
    }

    /// Vault checks the policy before the version, so a write for a version that does not exist tells both and writes nothing.
    async fn prove_writable(&mut self, current: &Secret) -> Result<(), WriteError> {
        let fields = writable_fields(current)?;
        if self.read.is_none() {
            return Err(WriteError::NoCheckAndSet);
        }
        self.ensure_session().await.map_err(SourceError::from)?;
        let Some(session) = &self.session else { return Err(SourceError::from(VaultError::Denied).into()) };
        match self.location.write(session.client(), NO_VERSION, fields).await {
            Ok(()) | Err(VaultError::Status { status: 400 }) => Ok(()),
            Err(error) => Err(SourceError::from(error).into()),
        }
    }
}

/// Returns the fields of a document that Vault stores as they are.
fn writable_fields(document: &Secret) -> Result<Value, WriteError> {
    let fields: Value = serde_json::from_str(document.reveal()).map_err(|_| WriteError::NotAnObject)?;
    match fields.is_object() {
        false => Err(WriteError::NotAnObject),
        true if has_rounded_number(&fields) => Err(WriteError::Number),
        true => Ok(fields),
    }
}

/// Returns whether a number was rounded when the document was parsed, as one with more than 19 digits is.
fn has_rounded_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_rounded_number),
        Value::Object(fields) => fields.values().any(has_rounded_number),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// A version that no secret has.
const NO_VERSION: u64 = u32::MAX as u64;

impl std::fmt::Debug for VaultSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultSource").field("secret", &self.describe()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
