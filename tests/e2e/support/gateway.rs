//! The gateway as a process, for one test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

pub(crate) use kyc_harness::gateway::binary;
use kyc_harness::gateway::{Launch, Log, becomes_ready, with_dotted_keys_first};
use kyc_harness::process::{Process, memory, signal};
pub(crate) use kyc_harness::tools::tools;
use serde_json::{Value, json};

use super::process::confined;
pub(crate) use super::process::wait_for_end;

/// The settings of a gateway for a test.
pub(crate) struct Setup {
    onfido: String,
    tenants: Vec<Value>,
    config: String,
    source: String,
    environment: Vec<(String, String)>,
    binary: &'static str,
    confined: bool,
}

/// A running gateway; it is killed when dropped.
pub(crate) struct Gateway {
    process: Process,
    /// The processes that took over in hot upgrades, in their order.
    pub(crate) successors: Vec<u32>,
    addresses: HashMap<String, SocketAddr>,
    log: Arc<Log>,
    place: Arc<Place>,
}

/// The files and arguments of the process, which a restart uses again.
struct Place {
    folder: tempfile::TempDir,
    launch: Launch,
    listeners: usize,
}

/// Starts a gateway and waits until it is ready.
pub(crate) async fn start(setup: Setup) -> Gateway {
    let gateway = setup.spawn().await;
    gateway.wait_until_ready().await;
    gateway
}

/// An entry of the tenant document: `sub-{name}`, `token-{name}`, `hook-{name}`, `sign-{name}`.
pub(crate) fn tenant(name: &str, portal: &str) -> Value {
    json!({
        "Name": name,
        "subscriptionId": format!("sub-{name}"),
        "apiToken": format!("token-{name}"),
        "webhookId": format!("hook-{name}"),
        "webhookToken": format!("sign-{name}"),
        "ftosEndpoint": portal,
        "ftosClientId": format!("client-{name}"),
        "ftosUsername": format!("user-{name}"),
        "ftosPassword": format!("password-{name}"),
    })
}

/// The document as deployments have it: the tenants are JSON within a string.
pub(crate) fn document(onfido: &str, tenants: &[Value]) -> Value {
    json!({ "Onfido-BaseUrl": onfido, "Onfido-ApiTokens": json!(tenants).to_string() })
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        let nowhere = "http://127.0.0.1:9/portal";
        Self {
            onfido: "http://127.0.0.1:9/v3.6".to_owned(),
            tenants: vec![tenant("acme", nowhere), tenant("globex", nowhere)],
            config: String::new(),
            source: "[tenants]\nsource = \"file\"\npoll = \"100ms\"\n".to_owned(),
            environment: Vec::new(),
            binary: "kyc-gateway",
            confined: false,
        }
    }
}

impl Setup {
    /// Sets the address of the simulated Onfido.
    pub(crate) fn onfido(mut self, address: SocketAddr) -> Self {
        self.onfido = format!("http://{address}/v3.6");
        self
    }

    /// Sets the base URL of the simulated Onfido.
    pub(crate) fn onfido_base(mut self, url: &str) -> Self {
        url.clone_into(&mut self.onfido);
        self
    }

    /// The tenants, in place of `acme` and `globex`.
    pub(crate) fn tenants(mut self, tenants: Vec<Value>) -> Self {
        self.tenants = tenants;
        self
    }

    /// More configuration: whole sections, such as routes.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self
    }

    /// The section `tenants`, in place of the file.
    pub(crate) fn source(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.source);
        self
    }

    /// An environment variable.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another binary of the workspace.
    pub(crate) fn binary(mut self, name: &'static str) -> Self {
        self.binary = name;
        self
    }

    /// Runs the gateway as the user `nobody`, without capabilities, on a file system where only its own folder is writable. This
    /// needs root.
    pub(crate) fn confined(mut self) -> Self {
        self.confined = true;
        self
    }

    /// Starts the process and waits until it says where it listens.
    pub(crate) async fn spawn(self) -> Gateway {
        super::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tenants.json"), document(&self.onfido, &self.tenants).to_string())
            .unwrap();
        let listeners = if self.config.contains("[[listeners]]") {
            ""
        } else {
            "[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n"
        };
        let admin = if self.config.contains("[admin]") { "" } else { "[admin]\naddress = \"127.0.0.1:0\"\n" };
        // Its calls would be among those that a test expects.
        let doctor = if self.config.contains("doctor") { "" } else { "doctor.enabled = false\n" };
        let config = format!("{doctor}{admin}{}{listeners}{}", self.source, self.config);
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, with_dotted_keys_first(&config)).unwrap();
        let program = binary(self.binary);
        let launch = if self.confined { confined(&program, &file) } else { Launch::new(program, file) };
        let own = ["[[listeners]]", "[admin.operations]\naddress"].map(|one| config.matches(one).count());
        // And the admin listener.
        let listeners = own.iter().sum::<usize>() + 1;
        Gateway::spawn(Arc::new(Place { folder, launch: launch.environment(self.environment), listeners }))
            .await
    }
}

// === impl Gateway ===

impl Gateway {
    /// The address that callers connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener("main")
    }

    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) fn admin(&self, path: &str) -> String {
        format!("http://{}{path}", self.listener("admin"))
    }

    pub(crate) async fn metrics(&self) -> String {
        reqwest::get(self.admin("/metrics")).await.unwrap().text().await.unwrap()
    }

    /// The output of the process so far.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// Reads a file in `/proc/PID`: `status`, `limits`…
    pub(crate) fn kernel(&self, what: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{what}", self.pid())).unwrap()
    }

    /// Replaces the tenant file atomically.
    pub(crate) fn write_tenants(&self, onfido: SocketAddr, tenants: &[Value]) {
        let draft = self.place.folder.path().join("draft.json");
        let text = document(&format!("http://{onfido}/v3.6"), tenants).to_string();
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, self.place.folder.path().join("tenants.json")).unwrap();
    }

    pub(crate) async fn wait_until_ready(&self) {
        assert!(
            becomes_ready(self.listener("admin")).await,
            "the gateway does not become ready: {}",
            self.log()
        );
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.place.folder.path()
    }

    /// Starts another process with the same files.
    pub(crate) async fn twin(&self) -> Self {
        let twin = self.again().await;
        twin.wait_until_ready().await;
        twin
    }

    /// The same, whether it becomes ready or not.
    pub(crate) async fn again(&self) -> Self {
        Self::spawn(Arc::clone(&self.place)).await
    }

    /// Starts the process and waits until it says where it listens.
    async fn spawn(place: Arc<Place>) -> Self {
        let (process, log) = place.launch.spawn_logged().unwrap();
        let Some(addresses) = log.listeners(place.listeners).await else {
            panic!("the gateway ended: {}", log.text())
        };
        Self { process, successors: Vec::new(), addresses: addresses.into_iter().collect(), log, place }
    }

    /// Stops or continues the process, like a machine without memory or during a migration.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name).unwrap();
    }

    /// The process that serves.
    pub(crate) fn pid(&self) -> u32 {
        self.successors.last().copied().unwrap_or_else(|| self.process.pid())
    }

    /// The peak RSS of the process, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        memory(self.pid()).peak
    }

    /// Stops the process with SIGTERM. Returns its whole output.
    pub(crate) async fn stop(mut self) -> String {
        self.signal("-TERM");
        let status = self.process.wait().await.unwrap();
        assert!(status.success(), "the gateway ended with {status}: {}", self.log());
        // The new process of a hot upgrade keeps writing.
        if self.successors.is_empty() {
            self.log.ended().await;
        }
        self.log()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for pid in self.successors.drain(..) {
            // The process may have exited already.
            let _ = signal(pid, "-KILL");
        }
    }
}
