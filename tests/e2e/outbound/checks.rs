//! `POST /checks` with every framing of its body.

use std::sync::Arc;

use kyc_harness::certificates::Authority;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::gateway::{Setup, start};
use crate::support::raw::{self, status};
use crate::support::upstream::Echo;

const BODY: &str = r#"{"applicant_id":"1","n":1.10}"#;
const EXPECTED: &str = r#"{"webhook_ids":["hook-acme"],"applicant_id":"1","n":1.10}"#;

fn head(fields: &str) -> String {
    format!(
        "POST /dcs/kyc2/checks/ HTTP/1.1\r\nHost: gw\r\nSubscriptionId: sub-acme\r\nContent-Type: application/json\r\n{fields}\r\n"
    )
}

fn assert_spliced(answer: &str) {
    assert!(answer.ends_with(EXPECTED), "{answer}");
    assert!(answer.contains(&format!("Content-Length: {}\r\n", EXPECTED.len())), "{answer}");
    assert!(answer.contains("POST /v3.6/checks/ HTTP/1.1"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_ids_are_injected_into_a_body_with_a_length() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;

    let request = format!("{}{BODY}", head(&format!("Content-Length: {}\r\n", BODY.len())));
    let answer = raw::send(gateway.address(), request.as_bytes()).await;

    assert_spliced(&answer);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_ids_are_injected_into_a_chunked_body() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;

    let (first, second) = BODY.split_at(7);
    let chunks = format!("7\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len());
    let request = format!("{}{chunks}", head("Transfer-Encoding: chunked\r\n"));
    let answer = raw::send(gateway.address(), request.as_bytes()).await;

    assert_spliced(&answer);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_with_expect_100_continue_gets_100() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();

    let request = head(&format!("Expect: 100-continue\r\nContent-Length: {}\r\n", BODY.len()));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    let answer = raw::exchange(&mut stream, BODY.as_bytes()).await;

    assert_eq!(interim.as_slice(), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_spliced(&answer);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_ids_are_injected_into_an_http2_body() {
    let onfido = Echo::start().await;
    let authority = Authority::new();
    let config =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let client = reqwest::Client::builder()
        .tls_certs_only([authority.certificate()])
        .resolve("gateway.test", gateway.address())
        .build()
        .unwrap();

    let url = format!("https://gateway.test:{}/dcs/kyc2/checks", gateway.address().port());
    let answer = client.post(url).header("SubscriptionId", "sub-acme").body(BODY).send().await.unwrap();

    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert!(answer.text().await.unwrap().ends_with(EXPECTED));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_body_over_64_kib_is_rejected_with_413_and_not_forwarded() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;
    let large = "x".repeat(65 * 1024);

    let declared = format!("{}{large}", head(&format!("Content-Length: {}\r\n", large.len())));
    let chunked =
        format!("{}{:x}\r\n{large}\r\n0\r\n\r\n", head("Transfer-Encoding: chunked\r\n"), large.len());
    let answers = [
        raw::send(gateway.address(), declared.as_bytes()).await,
        raw::send(gateway.address(), chunked.as_bytes()).await,
    ];

    assert_eq!(answers.map(|answer| status(&answer)), [413, 413]);
    assert_eq!(onfido.requests(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_is_retried_only_if_nothing_was_sent() {
    // The upstream reads the request and closes the connection. It may have processed the request, so it must not be retried.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Closing with unread bytes would reset the connection.
            let mut request = Vec::new();
            while !request.ends_with(b"}") && stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
            if !request.is_empty() {
                counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }
    });
    let gateway = start(Setup::default().onfido(address)).await;

    let request = format!("{}{BODY}", head(&format!("Content-Length: {}\r\n", BODY.len())));
    let answer = raw::send(gateway.address(), request.as_bytes()).await;

    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(status(&answer), 502, "{answer}");
    assert_eq!(body["error"]["type"], "upstream_unreachable");
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 1);
    gateway.stop().await;
}
