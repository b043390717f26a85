//! Where a secret is in a key-value engine, and which of the engine's two forms it has there.

use std::fmt;

use serde_json::Value;
use vaultrs::api::kv1::requests::GetSecretRequest;

use kyc_model::Secret;

use super::VaultError;
use super::client::VaultClient;
use super::connection::setting;

/// A mount and a path below it.
pub(super) struct Location {
    mount: String,
    path: String,
}

/// A version that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    V1,
    V2,
}

/// The number of a version and the time it was made: a secret that is made anew counts from 1 again.
pub(super) type Version = (u64, String);

/// What was read.
pub(super) struct Document {
    /// One JSON object.
    pub(super) fields: Secret,
    /// Counted by an engine of version 2.
    pub(super) version: Option<Version>,
}

// === impl Location ===

impl Location {
    pub(super) fn new(mount: &str, path: &str) -> Result<Self, VaultError> {
        Ok(Self { mount: checked("mount", mount)?, path: checked("path", path)? })
    }

    /// Asks Vault for the engine's version; `None` when the token may not know.
    pub(super) async fn ask_engine(&self, client: &VaultClient) -> Result<Option<Engine>, VaultError> {
        let answer = match fetch(client, "sys", &format!("internal/ui/mounts/{}", self.mount)).await {
            Ok(answer) => answer,
            // A policy may grant the secret and not this, and an old Vault does not have it.
            Err(
                VaultError::Denied | VaultError::NotFound | VaultError::Answer | VaultError::Status { .. },
            ) => {
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        Ok(match answer.pointer("/options/version").and_then(Value::as_str) {
            Some("2") => Some(Engine::V2),
            Some("1") => Some(Engine::V1),
            // An engine of the type `kv` without options is of version 1; anything else is left to the probe.
            _ => (answer.get("type").and_then(Value::as_str) == Some("kv")).then_some(Engine::V1),
        })
    }

    /// Tries version 2, then version 1.
    pub(super) async fn probe(&self, client: &VaultClient) -> Result<(Engine, Document), VaultError> {
        let second = match self.read(client, Engine::V2).await {
            Ok(document) => return Ok((Engine::V2, document)),
            // `data/…` is a path like any other in version 1: not there, not allowed, or of another form.
            Err(error @ (VaultError::Denied | VaultError::NotFound | VaultError::Answer)) => error,
            Err(failure) => return Err(failure),
        };
        match (self.read(client, Engine::V1).await, second) {
            (Ok(document), _) => Ok((Engine::V1, document)),
            // Where the policy grants one path, the other one is denied: the absence is the true answer.
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
                let number = answer.pointer("/metadata/version").ok_or(VaultError::Answer)?;
                let created = answer.pointer("/metadata/created_time").and_then(Value::as_str);
                version = number.as_u64().zip(created.map(str::to_owned));
                match answer.get_mut("data").map(Value::take) {
                    // So a deleted version looks where a proxy turned its 404 into 200.
                    None | Some(Value::Null) => return Err(VaultError::NotFound),
                    Some(fields) => fields,
                }
            }
        };
        match fields {
            Value::Object(_) => Ok(Document { fields: Secret::new(fields.to_string()), version }),
            _ => Err(VaultError::Answer),
        }
    }

    /// The version that a read would give now, from the metadata alone; `None` when it is deleted.
    pub(super) async fn newest(&self, client: &VaultClient) -> Result<Option<Version>, VaultError> {
        let answer = fetch(client, &self.mount, &format!("metadata/{}", self.path)).await?;
        let newest = answer.get("current_version").and_then(Value::as_u64).ok_or(VaultError::Answer)?;
        let state = answer.get("versions").and_then(|versions| versions.get(newest.to_string()));
        let state = state.ok_or(VaultError::Answer)?;
        let is_deleted = state.get("deletion_time").and_then(Value::as_str) != Some("")
            || state.get("destroyed").and_then(Value::as_bool) != Some(false);
        let created = state.get("created_time").and_then(Value::as_str).ok_or(VaultError::Answer)?;
        Ok((!is_deleted).then(|| (newest, created.to_owned())))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mount, self.path)
    }
}

/// Reads `data` of any answer. Version 1's call does it for all of them: it adds nothing to the path, and
/// version 2's own drops the metadata.
async fn fetch(client: &VaultClient, mount: &str, path: &str) -> Result<Value, VaultError> {
    let request = GetSecretRequest { mount: mount.to_owned(), path: path.to_owned() };
    client.whole(request).await.map(|answer| answer.data).map_err(VaultError::of_read)
}

/// A path that stays itself inside of a URL.
pub(super) fn checked(name: &'static str, path: &str) -> Result<String, VaultError> {
    let path = path.trim_matches('/');
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte));
    if plain && path.split('/').all(|segment| !matches!(segment, "" | "." | "..")) {
        Ok(path.to_owned())
    } else {
        Err(setting(name, "must be a path of visible ASCII characters without ? # % \\"))
    }
}
