//! A scripted Vault with the responses of OpenBao 2.7.

mod engine;
mod failure;
mod hostile_server;
mod login;
mod write;

use httpmock::{Mock, MockServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use kyc_model::SecretSource;

use super::*;

/// A folder with the files of secrets.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("token", "first\n");
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn settings(&self, vault: &MockServer, version: KvVersion) -> VaultSettings {
        VaultSettings {
            address: format!("http://{}", vault.address()),
            mount: "kv/".to_owned(),
            path: "/dcs/kyc-onfido".to_owned(),
            version,
            namespace: None,
            ca_file: None,
            auth: VaultAuth::Token(SecretSource::File(self.0.path().join("token"))),
            timeout: Duration::from_secs(10),
            cleartext: Cleartext::Local,
        }
    }

    fn token_source(&self, vault: &MockServer, version: KvVersion) -> VaultSource {
        VaultSource::new(self.settings(vault, version)).unwrap()
    }

    fn approle_source(&self, vault: &MockServer) -> VaultSource {
        let auth = VaultAuth::AppRole {
            mount: "approle".to_owned(),
            role_id: "role-1".to_owned(),
            secret_id: SecretSource::File(self.0.path().join("secret_id")),
            wrapped: false,
        };
        VaultSource::new(VaultSettings { auth, ..self.settings(vault, KvVersion::V2) }).unwrap()
    }
}

async fn start() -> MockServer {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    MockServer::start_async().await
}

async fn mount(vault: &MockServer, engine: Value) -> Mock<'_> {
    get(vault, MOUNT_PATH, 200, answer(&engine)).await
}

async fn get<'a>(vault: &'a MockServer, path: &str, status: u16, body: Value) -> Mock<'a> {
    vault
        .mock_async(|when, then| {
            when.method("GET").path(path);
            then.status(status).json_body(body);
        })
        .await
}

async fn get_as<'a>(vault: &'a MockServer, token: &str, status: u16, body: Value) -> Mock<'a> {
    vault
        .mock_async(|when, then| {
            when.method("GET").path(V2_PATH).header("X-Vault-Token", token);
            then.status(status).json_body(body);
        })
        .await
}

async fn approle<'a>(vault: &'a MockServer, secret_id: &str, token: &str) -> Mock<'a> {
    let credentials = json!({"role_id": "role-1", "secret_id": secret_id});
    let granted = json!({
        "request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "data": null,
        "wrap_info": null, "warnings": null, "auth": granted(token, 3600),
    });
    vault
        .mock_async(|when, then| {
            when.method("POST").path(LOGIN_PATH).header_missing("X-Vault-Token").json_body(credentials);
            then.status(200).json_body(granted);
        })
        .await
}

/// The `auth` of the response to a login.
fn granted(token: &str, life: u64) -> Value {
    json!({
        "client_token": token, "accessor": "a", "policies": ["default"], "token_policies": ["default"],
        "metadata": {"role_name": "kyc"}, "lease_duration": life, "renewable": true, "entity_id": "e",
        "token_type": "service", "orphan": true, "mfa_requirement": null, "num_uses": 0,
    })
}

fn answer(data: &Value) -> Value {
    json!({
        "request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data,
        "wrap_info": null, "warnings": null, "auth": null,
    })
}

fn version_2(fields: &Value) -> Value {
    json!({"data": fields, "metadata": {"created_time": "2026-11-24T09:34:44Z", "deletion_time": "", "version": 3}})
}

fn fields() -> Value {
    json!({"Onfido-BaseUrl": "https://x", "Onfido-ApiTokens": "[]"})
}

fn denied() -> Value {
    json!({"errors": ["permission denied"]})
}

const MOUNT_PATH: &str = "/v1/sys/internal/ui/mounts/kv";
const LOGIN_PATH: &str = "/v1/auth/approle/login";
const V1_PATH: &str = "/v1/kv/dcs/kyc-onfido";
const METADATA_PATH: &str = "/v1/kv/metadata/dcs/kyc-onfido";
const V2_PATH: &str = "/v1/kv/data/dcs/kyc-onfido";
const FIELDS_TEXT: &str = r#"{"Onfido-BaseUrl":"https://x","Onfido-ApiTokens":"[]"}"#;
