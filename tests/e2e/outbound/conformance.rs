//! Onfido's official client libraries, with and without the gateway, against a Prism mock of Onfido's OpenAPI description.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use kyc_harness::certificates::Authority;
use kyc_harness::prism::Prism;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::gateway::{Setup, start, tools};

/// The outcome of each operation by name: `{"result": …}` or `{"error": …}`.
type Outcomes = BTreeMap<String, Value>;

#[tokio::test(flavor = "multi_thread")]
async fn python_client_gets_the_same_results_through_the_gateway() {
    assert_conforms(Setup::default(), "http", python(), python()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_client_gets_the_same_results_through_the_gateway() {
    assert_conforms(Setup::default(), "http", node(), node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_client_gets_the_same_results_over_http2() {
    let authority = Authority::new();
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let mut over_http2 = node();
    over_http2.env("HTTP2", "1").env("NODE_EXTRA_CA_CERTS", authority.folder().join("authority.pem"));
    assert_conforms(Setup::default().config(&listener), "https", node(), over_http2).await;
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.arg(conformance("client.mjs")).env("NODE_MODULES", tools().join("node/node_modules"));
    command
}

fn python() -> Command {
    let mut command = Command::new(tools().join("python/bin/python"));
    command.arg(conformance("client.py"));
    command
}

async fn assert_conforms(setup: Setup, scheme: &str, direct: Command, through: Command) {
    let prism = Prism::mock().await.unwrap();
    let relay = Relay::start(prism.address()).await;
    let gateway = start(setup.onfido_base(&format!("http://{}", relay.address))).await;

    let direct = run(direct, &[&format!("http://{}", prism.address())]).await;
    let base = format!("{scheme}://{}/dcs/kyc2", gateway.address());
    let through = run(through, &[&base, "sub-acme"]).await;

    assert_same(&direct, &through);
    assert_wide(&direct);
    // The webhook operations return the tokens that sign notifications, so they are refused by default.
    let passed = through.keys().filter(|name| !is_closed(name)).count();
    assert_eq!(through.len() - passed, 6);
    prism.assert_valid(direct.len() + passed).await;
    relay.assert_credential_replaced(passed);
    gateway.stop().await;
}

/// Asserts that every operation has the same outcome with and without the gateway, except those that the gateway refuses.
fn assert_same(direct: &Outcomes, through: &Outcomes) {
    let names: Vec<_> = direct.keys().collect();
    assert_eq!(names, through.keys().collect::<Vec<_>>());

    let differences: Vec<_> = direct
        .iter()
        .filter(|(name, outcome)| match is_closed(name) {
            true => through[*name]["error"]["status"] != 403,
            false => through[*name] != **outcome,
        })
        .map(|(name, outcome)| format!("{name}\n  direct:  {outcome}\n  gateway: {}", through[name]))
        .collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// Returns whether the gateway refuses an operation by default.
fn is_closed(name: &str) -> bool {
    name.contains("webhook")
}

/// Asserts that at least 25 operations succeed, among them a multipart upload and a binary download.
fn assert_wide(outcomes: &Outcomes) {
    let failed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.get("result").is_none()).collect();
    assert!(failed.is_empty(), "these fail without the gateway: {failed:#?}");
    assert!(outcomes.len() >= 25, "{} operations", outcomes.len());
    assert!(outcomes["upload_document"]["result"]["id"].is_string(), "{}", outcomes["upload_document"]);
    assert!(
        outcomes["download_document"]["result"]["sha256"].is_string(),
        "{}",
        outcomes["download_document"]
    );
}

/// Runs a client and reads what it prints.
async fn run(mut command: Command, arguments: &[&str]) -> Outcomes {
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "the client ended with {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn conformance(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(file)
}

/// A TCP relay between the gateway and Prism that records the gateway's bytes.
struct Relay {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
}

// === impl Relay ===

impl Relay {
    async fn start(upstream: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(relay(near, upstream, Arc::clone(&record)));
            }
        });
        Self { address, sent }
    }

    /// Asserts that each of this many requests had the tenant's credential, and none of the caller's.
    fn assert_credential_replaced(&self, requests: usize) {
        let sent = String::from_utf8_lossy(&self.sent.lock().unwrap()).to_ascii_lowercase();
        assert_eq!(sent.matches("\r\nauthorization: ").count(), requests);
        assert_eq!(sent.matches("\r\nauthorization: token token=token-acme\r\n").count(), requests);
        assert!(!sent.contains("dummy-token"));
        assert!(!sent.contains("subscriptionid"));
        assert!(!sent.contains("sub-acme"));
    }
}

/// Copies in both directions until one side closes.
async fn relay(near: TcpStream, upstream: SocketAddr, record: Arc<Mutex<Vec<u8>>>) {
    let far = TcpStream::connect(upstream).await.unwrap();
    let (mut from_gateway, mut to_gateway) = near.into_split();
    let (mut from_upstream, mut to_upstream) = far.into_split();
    let answers = tokio::io::copy(&mut from_upstream, &mut to_gateway);
    let requests = async {
        let mut buffer = [0; 65536];
        while let Ok(read @ 1..) = from_gateway.read(&mut buffer).await {
            record.lock().unwrap().extend_from_slice(&buffer[..read]);
            if to_upstream.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = answers => {}
        () = requests => {}
    }
}
