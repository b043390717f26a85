//! Reads a secret from a key-value engine, and detects which of the engine's two versions is mounted.

use std::fmt;

use serde_json::Value;
use vaultrs::api::kv1::requests::GetSecretRequest;
use vaultrs::api::kv2::requests::{SetSecretRequest, SetSecretRequestOptions};

use kyc_model::Secret;

use super::VaultError;
use super::client::VaultClient;
use super::connection::setting;

/// The mount and the path of a secret.
pub(super) struct Location {
    mount: String,
    path: String,
}

/// The version of a key-value engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    V1,
    V2,
}

/// The number and creation time of a version. The number alone is not enough: it starts at 1 again when a secret is deleted
/// with its history and written again.
pub(super) type Version = (u64, String);

/// A secret that was read.
pub(super) struct Document {
    /// The fields as one JSON object.
    pub(super) fields: Secret,
    /// The version of the secret; only engines of version 2 have one.
    pub(super) version: Option<Version>,
}

// === impl Location ===

impl Location {
    pub(super) fn new(mount: &str, path: &str) -> Result<Self, VaultError> {
        Ok(Self { mount: checked_path("mount", mount)?, path: checked_path("path", path)? })
    }

    /// Fetches the engine's version from Vault; `None` when Vault does not tell it.
    pub(super) async fn fetch_engine(&self, client: &VaultClient) -> Result<Option<Engine>, VaultError> {
        let answer = match fetch(client, "sys", &format!("internal/ui/mounts/{}", self.mount)).await {
            Ok(answer) => answer,
            // A policy may grant the secret but not this path, and an old Vault does not have the path.
            Err(
                VaultError::Denied
                | VaultError::NotFound
                | VaultError::UnexpectedResponse
                | VaultError::Status { .. },
            ) => {
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        Ok(match answer.pointer("/options/version").and_then(Value::as_str) {
            Some("2") => Some(Engine::V2),
            Some("1") => Some(Engine::V1),
            // An engine of the type `kv` without options has version 1. For anything else, `probe` tries both versions.
            _ => (answer.get("type").and_then(Value::as_str) == Some("kv")).then_some(Engine::V1),
        })
    }

    /// Tries to read the secret with version 2, then with version 1.
    pub(super) async fn probe(&self, client: &VaultClient) -> Result<(Engine, Document), VaultError> {
        let second = match self.read(client, Engine::V2).await {
            Ok(document) => return Ok((Engine::V2, document)),
            // In version 1, `data/…` is an ordinary path: absent, denied, or a secret without version 2's metadata.
            Err(error @ (VaultError::Denied | VaultError::NotFound | VaultError::UnexpectedResponse)) => {
                error
            }
            Err(failure) => return Err(failure),
        };
        match (self.read(client, Engine::V1).await, second) {
            (Ok(document), _) => Ok((Engine::V1, document)),
            // A policy usually grants only the path of the mounted version. The 404 is then from the right path.
            (Err(VaultError::Denied), absent @ VaultError::NotFound) => Err(absent),
            (Err(failure), _) => Err(failure),
        }
    }

    /// Reads the secret's fields as one JSON object.
    pub(super) async fn read(&self, client: &VaultClient, engine: Engine) -> Result<Document, VaultError> {
        let mut version = None;
        let fields = match engine {
            Engine::V1 => fetch(client, &self.mount, &self.path).await?,
            Engine::V2 => {
                let mut answer = fetch(client, &self.mount, &format!("data/{}", self.path)).await?;
                let number = answer.pointer("/metadata/version").ok_or(VaultError::UnexpectedResponse)?;
                let created = answer.pointer("/metadata/created_time").and_then(Value::as_str);
                version = number.as_u64().zip(created.map(str::to_owned));
                match answer.get_mut("data").map(Value::take) {
                    // Vault returns a deleted version as 404 with `data: null`; a proxy may have changed the status to 200.
                    None | Some(Value::Null) => return Err(VaultError::NotFound),
                    Some(fields) => fields,
                }
            }
        };
        match fields {
            Value::Object(_) => Ok(Document { fields: Secret::new(fields.to_string()), version }),
            _ => Err(VaultError::UnexpectedResponse),
        }
    }

    /// Writes the secret's fields as the version behind `version`; Vault refuses it with 400 if that is not the current one.
    pub(super) async fn write(
        &self,
        client: &VaultClient,
        version: u64,
        fields: Value,
    ) -> Result<(), VaultError> {
        let cas = u32::try_from(version).map_err(|_| VaultError::UnexpectedResponse)?;
        let (mount, path) = (self.mount.clone(), self.path.clone());
        let options = Some(SetSecretRequestOptions { cas });
        let request = SetSecretRequest { mount, path, data: fields, options };
        client.data(request).await.map(|_| ()).map_err(VaultError::of_read)
    }

    /// Reads the current version from the metadata, without the secret; `None` when that version is deleted.
    pub(super) async fn current_version(&self, client: &VaultClient) -> Result<Option<Version>, VaultError> {
        let answer = fetch(client, &self.mount, &format!("metadata/{}", self.path)).await?;
        let current =
            answer.get("current_version").and_then(Value::as_u64).ok_or(VaultError::UnexpectedResponse)?;
        let state = answer.get("versions").and_then(|versions| versions.get(current.to_string()));
        let state = state.ok_or(VaultError::UnexpectedResponse)?;
        let is_deleted = state.get("deletion_time").and_then(Value::as_str) != Some("")
            || state.get("destroyed").and_then(Value::as_bool) != Some(false);
        let created =
            state.get("created_time").and_then(Value::as_str).ok_or(VaultError::UnexpectedResponse)?;
        Ok((!is_deleted).then(|| (current, created.to_owned())))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mount, self.path)
    }
}

/// Fetches a path and returns `data` of the response. The request type of version 1 serves for all paths: it adds nothing to
/// the path, and the type of version 2 drops the metadata.
async fn fetch(client: &VaultClient, mount: &str, path: &str) -> Result<Value, VaultError> {
    let request = GetSecretRequest { mount: mount.to_owned(), path: path.to_owned() };
    client.whole(request).await.map(|answer| answer.data).map_err(VaultError::of_read)
}

/// Checks that a path needs no escaping in a URL, and removes slashes at both ends.
pub(super) fn checked_path(name: &'static str, path: &str) -> Result<String, VaultError> {
    let path = path.trim_matches('/');
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte));
    if plain && path.split('/').all(|segment| !matches!(segment, "" | "." | "..")) {
        Ok(path.to_owned())
    } else {
        Err(setting(name, "must be a path of visible ASCII characters without ? # % \\"))
    }
}
