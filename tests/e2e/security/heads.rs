//! Request heads that never reach the proxy: too large, too slow, or refused by Pingora itself.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use kyc_harness::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{exchange, read_head, send, status};
use crate::support::upstream::Echo;

const SHORT: &str = "[downstream]\nhead = \"200ms\"\n";

const REQUEST: &[u8] = b"GET /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n\r\n";

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
        let pause = Duration::from_millis(20);
        if let Ok(Ok(_)) = timeout(pause, dripping.read_buf(&mut answer)).await {
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
async fn heads_that_pingora_refuses_get_the_gateways_own_response() {
    let gateway = start(Setup::default()).await;
    let fields: String = (0..300).map(|number| format!("X-{number}: a\r\n")).collect();

    let tunnel = send(gateway.address(), b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").await;
    let garbage = send(gateway.address(), b"\x16\x03\x01 no HTTP at all\r\n\r\n").await;
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let many = send(gateway.address(), many.as_bytes()).await;

    assert!(tunnel.to_ascii_lowercase().contains("\r\nallow: "), "{tunnel}");
    let metrics = gateway.metrics().await;
    let log = gateway.stop().await;
    for (answer, expected, code) in [
        (&tunnel, 405, "method_not_allowed"),
        (&garbage, 400, "bad_request"),
        (&many, 431, "header_too_large"),
    ] {
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let id = body["error"]["request_id"].as_str().unwrap();
        assert_eq!((status(answer), body["error"]["type"].as_str().unwrap()), (expected, code), "{answer}");
        assert!(answer.contains(&format!("x-request-id: {id}\r\n")), "{answer}");
        assert!(log.lines().any(|line| line.contains("\"access\"") && line.contains(id)), "{id}: {log}");
        let refused = format!(r#"kyc_gateway_refusals_total{{code="{code}",route=""}} 1"#);
        assert!(metrics.contains(&refused), "{metrics}");
    }
    assert_eq!(access(&log).values().sum::<usize>(), 3, "{log}");
}

/// Each request passes the guard as a head of its own (RFC 9112 §9.3.2).
#[tokio::test(flavor = "multi_thread")]
async fn requests_in_one_segment_are_served_one_after_the_other() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;
    let request = |method: &str, path: &str, rest: &str| {
        format!("{method} /dcs/kyc2/{path} HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n{rest}")
            .into_bytes()
    };
    let requests = [
        request("GET", "first", "\r\n"),
        request("POST", "second", "Content-Length: 5\r\n\r\nhello"),
        request("POST", "third", "Transfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nA: b\r\n\r\n"),
        request("GET", "fourth", "\r\n"),
        request("GET", "fifth", "Content-Length : 1\r\n\r\n"),
        request("GET", "sixth", "\r\n"),
    ]
    .concat();

    // Cut at every byte, too: the next request begins in the middle of a read.
    for cut in [0].into_iter().chain((1..requests.len()).step_by(7)) {
        let before = onfido.requests();
        let mut caller = connect(&gateway).await;
        caller.set_nodelay(true).unwrap();
        caller.write_all(&requests[..cut]).await.unwrap();
        tokio::task::yield_now().await;
        caller.write_all(&requests[cut..]).await.unwrap();
        let mut answers = String::new();
        caller.read_to_string(&mut answers).await.unwrap();

        let statuses: Vec<&str> =
            answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
        assert_eq!(statuses, ["200", "200", "200", "200", "400"], "cut at {cut}: {answers}");
        assert_eq!(onfido.requests() - before, 4, "cut at {cut}: the sixth is behind an ambiguous one");
    }
    gateway.stop().await;
}

/// Pingora ended the first request when bytes came behind it, although its upstream may have acted on it.
#[tokio::test(flavor = "multi_thread")]
async fn second_request_that_comes_before_the_response_is_served_after_it() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = start(Setup::default().onfido(upstream.local_addr().unwrap())).await;
    let mut caller = connect(&gateway).await;

    caller.write_all(REQUEST).await.unwrap();
    let (mut called, _) = upstream.accept().await.unwrap();
    read_head(&mut called).await;
    caller.write_all(REQUEST).await.unwrap();
    // The gateway reads what the caller sends while it waits for the response.
    let early = timeout(Duration::from_millis(200), caller.read_u8()).await;
    let body = vec![b'a'; 8 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let head_and_body = body.len();
    let sent = tokio::spawn(async move {
        called.write_all(head.as_bytes()).await.unwrap();
        called.write_all(&body).await.unwrap();
        read_head(&mut called).await;
        called.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
    });
    let mut answer = vec![0; head_and_body];
    caller.read_exact(&mut answer).await.unwrap();
    let mut second = Vec::new();
    while !second.ends_with(b"\r\n\r\n") {
        second.push(caller.read_u8().await.unwrap());
    }

    assert!(early.is_err(), "the gateway has nothing to say yet");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", answer.escape_ascii());
    let second = String::from_utf8_lossy(&second).into_owned();
    assert!(second.contains("HTTP/1.1 204 No Content\r\n"), "{second}");
    sent.await.unwrap();
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
