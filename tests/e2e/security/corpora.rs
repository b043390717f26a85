//! What others collected: gunicorn's invalid requests, and the requests of `http_desync_guardian`, sent as they are
//! through the gateway with a valid subscription, and through nginx. What is refused never reaches the upstream.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kyc_harness::ports::free_address;
use kyc_harness::process::Process;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::gateway::{Setup, start, tools};
use crate::support::raw::{Recorder, exchange, send, status};

struct Case {
    source: String,
    name: String,
    expected: String,
    bytes: Vec<u8>,
}

/// Every path goes to Onfido, so that no request is refused for its path alone.
const ROUTES: &str = "[downstream]\nhead = \"300ms\"\n[[routes]]\nname = \"all\"\npaths = [\"/{*path}\"]\n\
                      [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n";

/// The cases that are forwarded, and why that is correct.
const ARGUED: [(&str, &str); 13] = [
    ("006", LIMITS),
    ("007", LIMITS),
    ("008", LIMITS),
    ("009", LIMITS),
    ("010", LIMITS),
    ("017", LIMITS),
    ("019", "X-Forwarded fields that contradict each other: none of them goes on"),
    ("ambiguous: Get with a body and Content-Length", BODY_OF_GET),
    ("ambiguous: Get with a body and Transfer-Encoding", BODY_OF_GET),
    ("ambiguous: Head with a body and Content-Length", BODY_OF_GET),
    ("ambiguous: Head with a body and Transfer-Encoding", BODY_OF_GET),
    ("real-life-test-cases: Has a CL in GET", BODY_OF_GET),
    ("real-life-test-cases: Has a TE in GET", BODY_OF_GET),
];
const LIMITS: &str = "over a limit that gunicorn's test sets, far under 32 KiB";
const BODY_OF_GET: &str =
    "a body that is framed once is no riddle for either side, and goes on with its frame (RFC 9110 §9.3.1)";

fn cases() -> Vec<Case> {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/corpora");
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(reader.join("Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let guardian = packages.iter().find(|package| package["name"] == "http_desync_guardian").unwrap();
    let guardian = PathBuf::from(guardian["manifest_path"].as_str().unwrap());
    let printed = Command::new(tools().join("python/bin/python"))
        .arg(reader.join("read.py"))
        .arg(tools().join("gunicorn"))
        .arg(guardian.parent().unwrap())
        .output()
        .unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let lines = std::str::from_utf8(&printed.stdout).unwrap().lines();
    lines
        .map(|line| {
            let case: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| case[name].as_str().unwrap().to_owned();
            let digits = text("hex");
            let digit = |place| u8::from_str_radix(&digits[place..place + 2], 16).unwrap();
            let bytes = (0..digits.len()).step_by(2).map(digit).collect();
            Case { source: text("source"), name: text("name"), expected: text("expected"), bytes }
        })
        .collect()
}

/// The same request with a tenant, and with a host where it has none: those are not what it is about.
fn addressed(bytes: &[u8]) -> Vec<u8> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n").map_or(bytes.len(), |place| place + 2);
    let (first, rest) = bytes.split_at(line);
    let has_host = rest.to_ascii_lowercase().windows(6).any(|part| part == b"\nhost:")
        || rest.to_ascii_lowercase().starts_with(b"host:");
    let host: &[u8] = if has_host { b"" } else { b"Host: gateway\r\n" };
    [first, host, b"SubscriptionId: sub-acme\r\n", rest].concat()
}

/// Sends a case. Returns whether the upstream got no usable request, and the status of the response.
async fn is_refused(case: &Case, through: SocketAddr, upstream: &Recorder) -> (bool, u16) {
    let seen = upstream.bytes().len();
    let mut stream = TcpStream::connect(through).await.unwrap();
    let answer = timeout(Duration::from_secs(2), exchange(&mut stream, &addressed(&case.bytes))).await;
    drop(stream);
    let delivered = &upstream.bytes()[seen..];
    // A body that the proxy forwards in its own chunks but never ends counts as refused, because the upstream cannot use it.
    let is_chunked = delivered.to_ascii_lowercase().windows(9).any(|part| part == b": chunked");
    let is_broken = case.source == "gunicorn" && is_chunked && !delivered.ends_with(b"0\r\n\r\n");
    (delivered.is_empty() || is_broken, answer.as_deref().map_or(0, status))
}

/// nginx as a proxy, with nothing set that says what it refuses.
struct Nginx {
    _process: Process,
    address: SocketAddr,
    _folder: TempDir,
}

// === impl Nginx ===

impl Nginx {
    async fn start(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // nginx does not support port 0.
        let address = free_address().unwrap();
        let path = folder.path().display();
        let config = format!(
            "daemon off; master_process off; pid {path}/pid; error_log stderr crit; events {{ }}\nhttp {{ access_log off; \
             client_body_temp_path {path}; proxy_temp_path {path}; fastcgi_temp_path {path}; uwsgi_temp_path {path}; \
             scgi_temp_path {path}; client_header_timeout 1s; keepalive_timeout 0;\n\
             server {{ listen {address}; location / {{ proxy_pass http://{upstream}; proxy_http_version 1.1; }} }} }}"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        // Debian installs nginx in a folder that is only in root's `PATH`.
        let paths = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut process = Process::spawn(command.env("PATH", paths).arg("-c").arg(&file)).unwrap();
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "nginx does not listen");
            assert!(process.ended().unwrap().is_none(), "nginx ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { _process: process, address, _folder: folder }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn known_smuggling_corpora_are_refused() {
    let (upstream, beside) = (Recorder::start().await, Recorder::start().await);
    let gateway = start(Setup::default().onfido(upstream.address).config(ROUTES)).await;
    let nginx = Nginx::start(beside.address).await;
    let good = b"GET /applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\n\r\n";
    let mut counts: BTreeMap<(String, String), [usize; 3]> = BTreeMap::new();
    let mut passed = Vec::new();

    for case in cases() {
        let (mut refused, mut answered) = is_refused(&case, gateway.address(), &upstream).await;
        // Bytes of the previous case can reach the recorder late and look like those of this case. Repeat the case: bytes that the
        // gateway really forwards appear again.
        for _ in 0..2 {
            if !refused {
                (refused, answered) = is_refused(&case, gateway.address(), &upstream).await;
            }
        }
        let (refused_there, _) = is_refused(&case, nginx.address, &beside).await;
        let tier = if case.source == "gunicorn" { "invalid" } else { case.expected.as_str() };
        let [all, here, there] = counts.entry((case.source.clone(), tier.to_owned())).or_default();
        *all += 1;
        *here += usize::from(refused);
        *there += usize::from(refused_there);
        let is_wanted = matches!(tier, "Compliant" | "Acceptable");
        if !refused && !is_wanted {
            passed.push((case.name.clone(), answered));
        }
        assert_eq!(status(&send(gateway.address(), good).await), 200, "alive after {}", case.name);
    }

    for ((source, tier), [all, here, there]) in &counts {
        println!("{source:<10}{tier:<14}{here:>4} of {all:>4} refused, by nginx {there:>4}");
    }
    let [severe, refused, _] = counts[&("guardian".to_owned(), "Severe".to_owned())];
    assert_eq!((severe, refused), (58, 58));
    // A body whose end has not arrived when the response is sent counts as aborted.
    let [all, refused, there] = counts[&("gunicorn".to_owned(), "invalid".to_owned())];
    assert!(all == 81 && refused >= 68 && refused >= there, "{refused} of {all}, nginx {there}");
    let stale: Vec<_> =
        ARGUED.iter().filter(|(known, _)| !passed.iter().any(|(name, _)| name == known)).collect();
    println!("argued and refused all the same: {stale:?}");
    let unargued: Vec<_> =
        passed.iter().filter(|(name, _)| !ARGUED.iter().any(|(known, _)| name == known)).collect();
    assert!(unargued.is_empty(), "{unargued:?}");
    gateway.stop().await;
}
