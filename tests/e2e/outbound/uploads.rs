//! Uploads over HTTP/2 without a length by several clients. Each ends the body in its own way, most with an empty DATA frame.

use std::path::Path;
use std::process::{Command, Stdio};

use kyc_harness::certificates::Authority;
use kyc_sandbox::strict::Strict;

use crate::support::gateway::{Setup, start, tools};

#[tokio::test(flavor = "multi_thread")]
async fn http2_upload_of_any_client_is_one_upstream_request() {
    let authority = Authority::new();
    let upstream = Strict::start(ANSWER, false).await.unwrap();
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().onfido(upstream.address()).config(&listener)).await;
    let url = format!("https://{}/dcs/kyc2/applicants", gateway.address());
    let ca = authority.folder().join("authority.pem");

    let clients: [(&str, Command); 3] =
        [("curl", curl(&url, &ca)), ("Node", node(&url, &ca)), ("httpx", httpx(&url, &ca))];
    for (number, (name, mut command)) in clients.into_iter().enumerate() {
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let statuses: Vec<u16> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(statuses, [200; COUNT], "{name}");
        assert_eq!(upstream.requests(), (number + 1) * COUNT, "{name}");
    }

    let connections = upstream.connections();
    assert!(connections.iter().all(|connection| connection.surplus.is_none()), "{connections:?}");
    assert!(connections.len() < 3 * COUNT, "no connection was used twice: {}", connections.len());
    assert!(
        connections
            .iter()
            .flat_map(|connection| &connection.requests)
            .all(|head| head.contains("transfer-encoding: chunked")),
        "{connections:?}"
    );
    assert_eq!(connections.iter().map(|connection| connection.body).sum::<usize>(), 3 * COUNT * BODY.len());
    gateway.stop().await;
}

/// The body from standard input, so that curl does not send its length; one for each upload.
fn curl(url: &str, ca: &Path) -> Command {
    let mut command = Command::new("sh");
    let one = format!(
        "printf '{BODY}' | curl --silent --show-error --http2 -X POST -T - --cacert {ca} -H 'SubscriptionId: sub-acme' \
         --output /dev/null --write-out '%{{http_code}}' {url}",
        ca = ca.display()
    );
    let script =
        format!("printf '['; {one}; for n in $(seq 2 {COUNT}); do printf ', '; {one}; done; printf ']'");
    command.args(["-c", &script]);
    command
}

fn node(url: &str, ca: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg(script("uploads.mjs")).arg(url).arg(ca).args([&COUNT.to_string(), "sub-acme"]);
    command
}

fn httpx(url: &str, ca: &Path) -> Command {
    let mut command = Command::new(tools().join("python/bin/python"));
    command.arg(script("uploads.py")).arg(url).arg(ca).args([&COUNT.to_string(), "sub-acme"]);
    command
}

fn script(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(file)
}

const COUNT: usize = 12;
const BODY: &str = "first part, second part";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
