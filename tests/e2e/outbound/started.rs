//! Responses to calls that start a check: noted before the caller gets them, whatever happens to the call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kyc_harness::certificates::Authority;
use kyc_harness::postgres::Postgres;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::notifications::durable::stored;
use crate::notifications::shared;
use crate::support::gateway::{Gateway, Setup, start};
use crate::support::{raw, soon};

/// An upstream that answers each request with the next pieces that the test sends; the end of the pieces ends the connection.
struct Piecemeal {
    address: SocketAddr,
    /// The head of each request, and where its answer is sent.
    requests: mpsc::UnboundedReceiver<(String, mpsc::UnboundedSender<Vec<u8>>)>,
}

impl Piecemeal {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut head = vec![0; 16 * 1024];
                    let length = stream.read(&mut head).await.unwrap();
                    let head = String::from_utf8_lossy(&head[..length]).into_owned();
                    let (answer, mut pieces) = mpsc::unbounded_channel::<Vec<u8>>();
                    sender.send((head, answer)).unwrap();
                    while let Some(piece) = pieces.recv().await {
                        stream.write_all(&piece).await.unwrap();
                    }
                });
            }
        });
        Self { address, requests }
    }
}

const CHECK: &str = r#"{"id":"c-1","applicant_id":"a-1","status":"in_progress","report_ids":["r-1"]}"#;

fn created(fields: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Type: application/json\r\n{fields}\r\n{body}"
    )
    .into_bytes()
}

async fn gateway(onfido: &Piecemeal) -> Gateway {
    start(Setup::default().onfido(onfido.address).config(&stored())).await
}

async fn post(gateway: &Gateway, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let request = format!(
        "POST /dcs/kyc2/{path} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nSubscriptionId: sub-acme\r\nAccept-Encoding: gzip\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// How many open entries the ledger has.
async fn open_entries(gateway: &Gateway) -> u64 {
    let metrics = gateway.metrics().await;
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("kyc_gateway_ledger_open{tenant=\"acme\"} "));
    line.map_or(0, |value| value.parse().unwrap())
}

async fn wait_for_open(gateway: &Gateway, count: u64) {
    soon(async || (open_entries(gateway).await == count).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn response_of_a_started_check_arrives_unchanged_and_is_noted() {
    let mut onfido = Piecemeal::start().await;
    let gateway = gateway(&onfido).await;
    let pieces = [
        vec![created(&format!("Content-Length: {}\r\n", CHECK.len()), CHECK)],
        // In pieces, of which the gateway must not forward the first one before it has the last.
        vec![
            created("Transfer-Encoding: chunked\r\n", "5\r\n{\"id\"\r\n"),
            b"7\r\n:\"c-2\"}\r\n0\r\n\r\n".to_vec(),
        ],
    ];

    for (pieces, expected) in pieces.into_iter().zip([CHECK, "{\"id\""]) {
        let mut stream = post(&gateway, "checks").await;
        let (head, answer) = onfido.requests.recv().await.unwrap();
        for piece in pieces {
            answer.send(piece).unwrap();
        }
        let response = raw::exchange(&mut stream, b"").await;

        assert!(head.to_ascii_lowercase().contains("\r\naccept-encoding: identity\r\n"), "{head}");
        assert!(response.starts_with("HTTP/1.1 201 ") && response.contains(expected), "{response}");
    }

    wait_for_open(&gateway, 2).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_is_noted_although_its_caller_left_or_the_response_broke_off() {
    let mut onfido = Piecemeal::start().await;
    let gateway = gateway(&onfido).await;

    // Callers leave after Onfido has the request, until the gateway sees one leave before Onfido responds.
    let mut left = 0;
    while !gateway.log().contains("\"status\":499") {
        let stream = post(&gateway, "checks").await;
        let (_, answer) = onfido.requests.recv().await.unwrap();
        drop(stream);
        tokio::task::yield_now().await;
        left += 1;
        let check = CHECK.replace("c-1", &format!("c-{left}"));
        answer.send(created(&format!("Content-Length: {}\r\n", check.len()), &check)).unwrap();
        wait_for_open(&gateway, left).await;
    }
    // Onfido breaks off after the id.
    let mut stream = post(&gateway, "workflow_runs").await;
    let (_, answer) = onfido.requests.recv().await.unwrap();
    answer.send(created("Content-Length: 100\r\n", r#"{"id":"w-1","status""#)).unwrap();
    drop(answer);
    let mut response = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut response)).await.unwrap().unwrap();

    wait_for_open(&gateway, left + 1).await;
    let response = String::from_utf8(response).unwrap();
    assert!(response.ends_with(r#"{"id":"w-1","status""#), "the caller gets what has arrived: {response}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_is_noted_although_its_http2_stream_was_reset() {
    let mut onfido = Piecemeal::start().await;
    let authority = Authority::new();
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let config = format!("{listener}{}", stored());
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let client = reqwest::Client::builder()
        .tls_certs_only([authority.certificate()])
        .resolve("gateway.test", gateway.address())
        .build()
        .unwrap();

    let url = format!("https://gateway.test:{}/dcs/kyc2/checks", gateway.address().port());
    let request = client.post(url).header("SubscriptionId", "sub-acme").body("{}");
    let call = tokio::spawn(request.send());
    let (_, answer) = onfido.requests.recv().await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    answer.send(created(&format!("Content-Length: {}\r\n", CHECK.len()), CHECK)).unwrap();

    wait_for_open(&gateway, 1).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn response_that_cannot_be_read_streams_on_and_is_counted() {
    let mut onfido = Piecemeal::start().await;
    let gateway = gateway(&onfido).await;

    let mut stream = post(&gateway, "checks").await;
    let (_, answer) = onfido.requests.recv().await.unwrap();
    let fields = "Content-Encoding: gzip\r\nContent-Length: 6\r\n";
    answer.send(created(fields, "abc")).unwrap();
    // The first half arrives while the second one is not there yet.
    let mut response = Vec::new();
    while !response.ends_with(b"abc") {
        response.push(timeout(Duration::from_secs(10), stream.read_u8()).await.unwrap().unwrap());
    }
    answer.send(b"def".to_vec()).unwrap();
    let mut rest = [0; 3];
    timeout(Duration::from_secs(10), stream.read_exact(&mut rest)).await.unwrap().unwrap();

    assert_eq!(&rest, b"def");
    // Everything else that may have begun a check and does not name it.
    for (status, fields) in [
        ("201 Created", "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"),
        ("201 Created", "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
        ("201 Created", "Content-Type: text/html\r\nContent-Length: 2\r\n\r\nok"),
        ("202 Accepted", "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
        ("204 No Content", "\r\n"),
        ("422 Unprocessable Content", "Content-Length: 0\r\n\r\n"),
    ] {
        let mut stream = post(&gateway, "checks").await;
        let (_, answer) = onfido.requests.recv().await.unwrap();
        answer.send(format!("HTTP/1.1 {status}\r\nConnection: close\r\n{fields}").into_bytes()).unwrap();
        let response = raw::exchange(&mut stream, b"").await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{response}");
    }

    let metrics = gateway.metrics().await;
    for (reason, count) in [("encoded", 1), ("not_json", 1), ("without_id", 2), ("status", 2)] {
        let line = format!("kyc_gateway_ledger_unread_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    assert_eq!(open_entries(&gateway).await, 0);
    gateway.stop().await;
}

/// The ledger was drained with the deliveries, before the calls. What the last call had started was neither written nor counted if
/// the event store did not answer.
#[tokio::test(flavor = "multi_thread")]
async fn note_of_the_last_call_of_a_drain_is_counted_if_the_store_does_not_answer() {
    let (server, folder) = (Arc::new(Postgres::start().unwrap()), tempfile::tempdir().unwrap());
    let mut onfido = Piecemeal::start().await;
    let config = shared::config(&server, folder.path());
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let holder = Arc::clone(&server);
    let lock = "BEGIN; LOCK TABLE started IN EXCLUSIVE MODE; SELECT pg_sleep(600); COMMIT";
    let held = std::thread::spawn(move || holder.query(lock));
    let is_held = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
                   WHERE relname = 'started' AND mode = 'ExclusiveLock' AND granted";
    soon(async || (server.query(is_held).unwrap().trim() == "1").then_some(())).await;

    let mut stream = post(&gateway, "checks").await;
    let (_, answer) = onfido.requests.recv().await.unwrap();
    gateway.signal("-TERM");
    soon(async || TcpStream::connect(gateway.address()).await.is_err().then_some(())).await;
    answer.send(created(&format!("Content-Length: {}\r\n", CHECK.len()), CHECK)).unwrap();
    let response = raw::exchange(&mut stream, b"").await;
    let log = gateway.stop().await;

    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    assert!(log.contains("a started check is not in the ledger"), "{log}");
    server
        .query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        .unwrap();
    assert!(held.join().unwrap().is_err(), "the lock was held until the end");
}
