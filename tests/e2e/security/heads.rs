//! Request heads that never reach the proxy: too large, too slow, or refused by Pingora itself.

use std::collections::BTreeMap;

use http::Method;
use kyc_harness::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{exchange, send, status};

const SHORT: &str = "[downstream]\nhead = \"200ms\"\n";

/// The number of access lines for each status and code.
fn access(log: &str) -> BTreeMap<(u64, String), usize> {
    let mut counts = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        if line["target"] == "access" {
            let key = (line["status"].as_u64().unwrap(), line["code"].as_str().unwrap().to_owned());
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.address()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_head_is_rejected_at_32_kib() {
    let gateway = start(Setup::default()).await;
    let mut endless = b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    endless.resize(40 * 1024, b'a');

    let first = send(gateway.address(), &endless).await;
    let mut kept = connect(&gateway).await;
    let before = exchange(&mut kept, b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let second = exchange(&mut kept, &endless).await;

    assert_eq!([&first, &before, &second].map(|answer| status(answer)), [431, 404, 431]);
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains(r#"kyc_gateway_refusals_total{code="header_too_large",route=""} 2"#),
        "{metrics}"
    );
    assert_eq!(access(&gateway.stop().await)[&(431, "header_too_large".to_owned())], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_head_has_one_deadline() {
    let gateway = start(Setup::default().config(SHORT)).await;

    let mut dripping = connect(&gateway).await;
    let mut answer = Vec::new();
    let mut sent = 0;
    for byte in b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: a\r\nX: ".iter().chain(std::iter::repeat(&b'a'))
    {
        sent += 1;
        let _ = dripping.write_all(&[*byte]).await;
        let pause = std::time::Duration::from_millis(20);
        if let Ok(Ok(_)) = tokio::time::timeout(pause, dripping.read_buf(&mut answer)).await {
            break;
        }
    }
    let mut silent = connect(&gateway).await;
    let mut nothing = Vec::new();
    silent.read_to_end(&mut nothing).await.unwrap();

    assert_eq!(status(&String::from_utf8_lossy(&answer)), 408, "after {sent} bytes");
    assert_eq!(nothing, b"", "who says nothing is told nothing");
    assert_eq!(access(&gateway.stop().await), BTreeMap::from([((408, "request_timeout".to_owned()), 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_refused_by_pingora_are_counted_and_logged() {
    let gateway = start(Setup::default()).await;

    let tunnel = send(gateway.address(), b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").await;
    let garbage = send(gateway.address(), b"\x16\x03\x01 no HTTP at all\r\n\r\n").await;

    assert_eq!([tunnel, garbage].map(|answer| status(&answer)), [405, 400]);
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains(r#"kyc_gateway_refusals_total{code="method_not_allowed",route=""} 1"#),
        "{metrics}"
    );
    let expected = [((400, "bad_request".to_owned()), 1), ((405, "method_not_allowed".to_owned()), 1)]
        .into_iter()
        .collect();
    assert_eq!(access(&gateway.stop().await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_head_is_not_quoted_in_the_log() {
    let gateway = start(Setup::default()).await;
    let heads = [
        "GET / HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer canary\r\nb\0d: x\r\n\r\n",
        "GET /canary HTTP/1.1\r\nHost: g\r\n bad: canary\r\n\r\n",
        "canary\r\n\r\n",
    ];

    for head in heads {
        for listener in ["main", "admin"] {
            send(gateway.listener(listener), head.as_bytes()).await;
        }
    }

    let log = gateway.stop().await;
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_head_request_over_http2_gets_a_complete_response() {
    let authority = Authority::new();
    let config =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().config(&config)).await;
    let client = reqwest::Client::builder()
        .tls_certs_only([authority.certificate()])
        .resolve("gateway.test", gateway.address())
        .build()
        .unwrap();

    for method in [Method::HEAD, Method::GET] {
        let url = format!("https://gateway.test:{}/nowhere", gateway.address().port());
        let answer = client.request(method.clone(), url).send().await.unwrap();

        assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 404));
        assert_eq!(answer.text().await.unwrap().is_empty(), method == Method::HEAD);
    }
    gateway.stop().await;
}
