//! The proxies: the gateway, nginx and HAProxy, each with the same tenants. Their configurations are in
//! `tests/differential/peers`.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kyc_harness::certificates::Authority;
use kyc_harness::gateway::{Launch, Log, becomes_ready, binary};
use kyc_harness::ports::free_addresses;
use kyc_harness::process::Process;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// A proxy that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The gateway.
    Gateway,
    /// nginx.
    Nginx,
    /// HAProxy.
    HaProxy,
}

/// A proxy that runs. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) log: Option<Arc<Log>>,
    _process: Process,
    /// Removed after the process has ended.
    _folder: tempfile::TempDir,
}

/// A tenant, and the address of its upstream.
pub(crate) type Tenant = (String, SocketAddr);

// === impl Contender ===

impl Contender {
    /// Everyone, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Gateway, Self::Nginx, Self::HaProxy];

    /// What it is called in tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Gateway => "kyc-gateway",
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
        }
    }

    pub(crate) async fn start(self, authority: &Authority, tenants: &[Tenant]) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let [plain, tls] = free_addresses().unwrap();
        let path = folder.path();
        let fill = |template: &str| {
            let values = [
                ("FOLDER", path.display().to_string()),
                ("CERTIFICATES", authority.folder().display().to_string()),
                ("PLAIN", plain.to_string()),
                ("TLS", tls.to_string()),
            ];
            fill(template, tenants, &values)
        };
        match self {
            Self::Gateway => {
                let config = path.join("gateway.toml");
                fs::write(&config, fill(include_str!("../peers/gateway.toml"))).unwrap();
                gateway(&config, folder, tenants).await
            }
            Self::Nginx => {
                let config = path.join("nginx.conf");
                fs::write(&config, fill(include_str!("../peers/nginx.conf"))).unwrap();
                let process = spawn("nginx", &["-c".as_ref(), &config]);
                running(process, plain, tls, folder).await
            }
            Self::HaProxy => {
                let config = path.join("haproxy.cfg");
                fs::write(&config, fill(include_str!("../peers/haproxy.cfg"))).unwrap();
                let files = ["certificate.pem", "key.pem"].map(|file| authority.folder().join(file));
                let combined = files.map(|file| fs::read(file).unwrap()).concat();
                fs::write(path.join("combined.pem"), combined).unwrap();
                let process = spawn("haproxy", &["-db".as_ref(), "-f".as_ref(), &config]);
                running(process, plain, tls, folder).await
            }
        }
    }
}

async fn gateway(config: &Path, folder: tempfile::TempDir, tenants: &[Tenant]) -> Running {
    let entries: Vec<Value> = tenants.iter().map(entry).collect();
    let document = json!({
        "Onfido-BaseUrl": "http://127.0.0.1:9/v3.6",
        "Onfido-ApiTokens": Value::from(entries).to_string(),
    });
    fs::write(folder.path().join("tenants.json"), document.to_string()).unwrap();
    let (process, log) = Launch::new(binary("kyc-gateway"), config).spawn_logged().unwrap();
    let Some(listeners) = log.listeners(3).await else { panic!("the gateway ended: {}", log.text()) };
    let address = |wanted: &str| listeners.iter().find(|(name, _)| name == wanted).unwrap().1;
    assert!(becomes_ready(address("admin")).await, "the gateway does not become ready: {}", log.text());
    let (plain, tls) = (address("plain"), address("tls"));
    Running { plain, tls, log: Some(log), _process: process, _folder: folder }
}

fn entry((tenant, upstream): &Tenant) -> Value {
    json!({
        "Name": tenant,
        "subscriptionId": tenant,
        "apiToken": format!("token-{tenant}"),
        "webhookId": format!("hook-{tenant}"),
        "webhookToken": format!("sign-{tenant}"),
        "baseUrl": format!("http://{upstream}/v3.6"),
        "ftosEndpoint": "http://127.0.0.1:9/portal",
        "ftosClientId": "client",
        "ftosUsername": "user",
        "ftosPassword": "password",
    })
}

fn spawn(program: &str, arguments: &[&Path]) -> Process {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    Process::spawn(&mut command)
        .unwrap_or_else(|error| panic!("{program}: {error}; `make differential` installs it"))
}

/// Waits until a program listens.
async fn running(process: Process, plain: SocketAddr, tls: SocketAddr, folder: tempfile::TempDir) -> Running {
    let listens = async {
        while TcpStream::connect(plain).await.is_err() || TcpStream::connect(tls).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), listens).await.expect("the proxy does not listen");
    Running { plain, tls, log: None, _process: process, _folder: folder }
}

/// Fills in a template: `{{NAME}}` is a value, and a line that begins with `#tenant:` is repeated for each tenant. Lines in a row
/// are repeated together.
fn fill(template: &str, tenants: &[Tenant], values: &[(&str, String)]) -> String {
    let mut filled = String::new();
    let mut lines = template.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("#tenant:") else {
            filled.push_str(&format!("{line}\n"));
            continue;
        };
        let mut block = format!("{first}\n");
        while let Some(more) = lines.next_if(|line| line.starts_with("#tenant:")) {
            block.push_str(&format!("{}\n", more.trim_start_matches("#tenant:")));
        }
        for (tenant, address) in tenants {
            filled
                .push_str(&block.replace("{{TENANT}}", tenant).replace("{{ADDRESS}}", &address.to_string()));
        }
    }
    values.iter().fold(filled, |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_of_lines_is_repeated_for_each_tenant() {
        let tenants = [1, 2].map(|n| (format!("t{n}"), SocketAddr::from(([127, 0, 0, 1], n))));

        let filled = fill(
            "a {{X}}\n#tenant:b {{TENANT}}\n#tenant:c {{ADDRESS}}\nd\n",
            &tenants,
            &[("X", "x".to_owned())],
        );

        assert_eq!(filled, "a x\nb t1\nc 127.0.0.1:1\nb t2\nc 127.0.0.1:2\nd\n");
    }
}
