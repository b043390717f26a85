//! Hop-by-hop behaviour: `Expect`, interim responses and hop-by-hop fields (RFC 9110 §7.6.1, §7.8, §10.1.1).

use kyc_harness::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::frames::{DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, fields, frame};
use crate::support::gateway::{Setup, start};
use crate::support::raw::{Recorder, exchange, send, status};
use crate::support::upstream::Echo;

fn post(expect: &str, version: &str) -> String {
    format!(
        "POST /dcs/kyc2/applicants HTTP/{version}\r\nHost: g\r\nSubscriptionId: sub-acme\r\nContent-Length: 2\r\nExpect: {expect}\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_is_answered_by_the_gateway_and_not_forwarded() {
    let upstream = Recorder::start().await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();

    stream.write_all(post("100-continue", "1.1").as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    let answer = exchange(&mut stream, b"{}").await;
    let other = send(gateway.address(), post("the-impossible", "1.1").as_bytes()).await;

    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(!String::from_utf8_lossy(&upstream.bytes()).to_ascii_lowercase().contains("expect"));
    assert_eq!(status(&other), 417, "{other}");
    assert!(other.contains("\"expectation_failed\""), "{other}");
    gateway.stop().await;
}

/// The 100 ended the connection with the response, because the body was not there yet when it was written.
#[tokio::test(flavor = "multi_thread")]
async fn connection_serves_another_request_after_an_expectation() {
    let upstream = Echo::start().await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();

    for _ in 0..2 {
        stream.write_all(post("100-continue", "1.1").as_bytes()).await.unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).await.unwrap();
        let answer = exchange(&mut stream, b"{}").await;

        assert_eq!(status(&answer), 200, "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
    gateway.stop().await;
}

/// HTTP/1.0 has no interim responses, so such a caller waits for none.
#[tokio::test(flavor = "multi_thread")]
async fn expect_of_an_http_1_0_caller_is_ignored() {
    let upstream = Recorder::start().await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    let answer = send(gateway.address(), format!("{}{{}}", post("100-continue", "1.0")).as_bytes()).await;

    assert_eq!(status(&answer), 200, "{answer}");
    assert!(!String::from_utf8_lossy(&upstream.bytes()).to_ascii_lowercase().contains("expect"));
    gateway.stop().await;
}

/// A caller that waited for 100 waited until the upstream or the body timed out.
#[tokio::test(flavor = "multi_thread")]
async fn caller_that_waits_for_100_over_http2_gets_417() {
    let (authority, onfido) = (Authority::new(), Echo::start().await);
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let gateway = start(Setup::default().onfido(onfido.address).config(&listener)).await;
    let mut connection = Frames::connect(&authority, gateway.address()).await;
    let head = |stream: u32, path: &str| {
        let fields = fields(&[
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "gateway.test"),
            (":path", path),
            ("subscriptionid", "sub-acme"),
            ("content-type", "application/json"),
            ("expect", "100-continue"),
        ]);
        frame(HEADERS, END_HEADERS, stream, &fields)
    };
    let paths = ["/dcs/kyc2/applicants", "/dcs/kyc2/checks"];

    for (stream, path) in [1, 3].into_iter().zip(paths) {
        assert!(connection.send(&head(stream, path)).await);
        assert_eq!(connection.end(stream).await, End::Answered, "{path}");
    }
    // A caller that does not wait is served.
    for (stream, path) in [5, 7].into_iter().zip(paths) {
        assert!(connection.send(&head(stream, path)).await);
        assert!(connection.send(&frame(DATA, END_STREAM, stream, b"{}")).await);
        assert_eq!(connection.status(stream).await, Some(200), "{path}");
    }

    let log = gateway.stop().await;
    let refused =
        log.lines().filter(|line| line.contains("\"status\":417") && line.contains("expectation_failed"));
    assert_eq!(refused.count(), 2, "{log}");
}

/// The part of a response that the caller compares.
async fn relayed(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = start(Setup::default().onfido(listener.local_addr().unwrap())).await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    });
    let request = "GET /dcs/kyc2/ping HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n\r\n";
    let seen = send(gateway.address(), request.as_bytes()).await;
    gateway.stop().await;
    seen.to_ascii_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn unrequested_protocol_switch_is_502() {
    let seen =
        relayed("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello").await;

    assert_eq!(status(&seen), 502, "{seen}");
    assert!(!seen.contains("hello"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hop_by_hop_fields_of_the_upstream_are_not_forwarded() {
    let seen = relayed(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: a\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
         Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Total-Count: 7\r\nContent-Length: 2\r\n\r\n{}",
    )
    .await;

    assert_eq!(status(&seen), 200, "{seen}");
    for name in ["x-hop", "keep-alive:", "proxy-authenticate", "proxy-connection", "upgrade"] {
        assert!(!seen.contains(name), "{name}: {seen}");
    }
    assert!(seen.contains("x-total-count: 7\r\n"), "{seen}");
}
