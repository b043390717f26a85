//! Validation of upstream responses, and the closing of connections after ambiguous ones.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::gateway::{Setup, start};
use crate::support::raw::{malformed_chunks, status};
use crate::support::scripted::{Scripted, call, chunked, routes};

#[tokio::test(flavor = "multi_thread")]
async fn response_hidden_in_a_chunked_response_is_never_forwarded() {
    const HIDDEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden";
    let rows = malformed_chunks(HIDDEN);
    let upstream = Scripted::start(rows.iter().map(|(_, body)| chunked(body)).collect()).await;
    let gateway = start(Setup::default().onfido(upstream.address).config(&routes(""))).await;

    for version in ["1.1", "1.0"] {
        for (row, (name, body)) in rows.iter().enumerate() {
            let whole = chunked(body).replace("VERSION", version).len();
            let head = whole - body.len();
            let cuts: Vec<usize> = (head - 2..whole).collect();
            let calls = cuts.iter().map(|cut| call(gateway.address(), row, *cut, version));
            for (cut, answer) in cuts.iter().zip(futures::future::join_all(calls).await) {
                let case = format!("{name}, HTTP/{version}, cut at {cut}: {answer}");
                assert!(status(&answer) == 200 || answer.contains("\"upstream_error\""), "{case}");
                assert!(!answer.contains("hidden"), "{case}");
                assert!(status(&answer) == 502 || !answer.ends_with("0\r\n\r\n"), "it looks whole: {case}");
            }
        }
    }

    assert_eq!(upstream.most_on_one_connection(), 1, "a connection was used after a malformed answer");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_chunked_response_is_forwarded_and_its_connection_reused() {
    let body = "5;a=\"b c\"\r\nhello\r\na\r\n, everyone\r\n0;end\r\nX-Checksum: a\r\n\r\n";
    let upstream = Scripted::start(vec![chunked(body)]).await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;
    let whole = chunked(body).replace("VERSION", "1.1").len();

    for cut in 1..whole {
        let answer = call(gateway.address(), 0, cut, "1.1").await;
        assert_eq!(status(&answer), 200, "cut at {cut}: {answer}");
        let (_, chunks) = answer.split_once("\r\n\r\n").unwrap();
        // Lines with a size alternate with chunks.
        let pieces: String = chunks.split("\r\n").skip(1).step_by(2).collect();
        assert_eq!(pieces, "hello, everyone", "cut at {cut}: {answer}");
    }

    assert_eq!(upstream.most_on_one_connection(), whole - 1, "one connection for all");
    gateway.stop().await;
}

/// Pingora accepts such ambiguous heads, and interprets some of them differently from other implementations.
#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_response_head_becomes_502_and_closes_its_connection() {
    const HIDDEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden";
    let ended = format!("5\r\nhello\r\n0\r\n\r\n{HIDDEN}");
    let head = |fields: &str| format!("HTTP/VERSION 200 OK\r\n{fields}\r\n{ended}");
    let rows = [
        head("Transfer-Encoding: chunked, identity\r\n"),
        head("Transfer-Encoding: xchunked\r\n"),
        head("Transfer-Encoding: chunked, chunked\r\n"),
        head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        head("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        head("Content-Length: 3\r\nTransfer-Encoding : chunked\r\n"),
        head("Transfer-Encoding:\r\n chunked\r\n"),
        head("Content-Length: 5\r\nContent-Length: 5\r\n"),
        head("Content-Length: 5, 5\r\n"),
        // A parser that accepts only CRLF finds the end of the head at another place.
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n10\r\nab\r\n\r\n0\r\n\r\nX123456\r\n0 \r\n\r\n"
            .to_owned(),
        "HTTP/1.1 103 Early\nLink: a\n\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n"
            .to_owned(),
        format!("HTTP/1.1 100 Continue\r\nContent-Length: 44\r\n\r\n{HIDDEN}"),
    ];
    let upstream = Scripted::start(rows.to_vec()).await;
    let gateway = start(Setup::default().onfido(upstream.address).config(&routes(""))).await;

    for (row, script) in rows.iter().enumerate() {
        for cut in [0, script.len() / 2, script.len() - 8] {
            let answer = call(gateway.address(), row, cut, "1.1").await;
            assert!(answer.contains("\"upstream_error\""), "{script:?}, cut at {cut}: {answer}");
        }
    }
    // A transfer coding in HTTP/1.0, and an invalid content length.
    let old = call(gateway.address(), 0, 0, "1.0").await;

    assert!(old.contains("\"upstream_error\""), "{old}");
    assert_eq!(upstream.most_on_one_connection(), 1, "a connection was used after a malformed answer");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodiless_response_that_declares_a_body_closes_its_connection() {
    let announced = ["Content-Length: 44\r\n", "Transfer-Encoding: chunked\r\n"];
    let rows = announced.map(|field| format!("HTTP/VERSION 204 No Content\r\n{field}\r\n"));
    let upstream = Scripted::start(rows.to_vec()).await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    for row in [0, 1, 0, 1] {
        let answer = call(gateway.address(), row, 1, "1.1").await;
        assert_eq!(status(&answer), 204, "{answer}");
        let fields = answer.to_ascii_lowercase();
        assert!(!fields.contains("content-length") && !fields.contains("transfer-encoding"), "{answer}");
    }

    assert_eq!(upstream.most_on_one_connection(), 1, "what came behind would be the next answer");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_caller_gets_no_chunks_and_no_interim_responses() {
    let body = "5\r\nhello\r\na\r\n, everyone\r\n0\r\n\r\n";
    let script = format!("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n{}", chunked(body));
    let upstream = Scripted::start(vec![script]).await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();

    stream
        .write_all(b"GET /dcs/kyc2/0/1/1.1 HTTP/1.0\r\nHost: g\r\nConnection: keep-alive\r\nSubscriptionId: sub-acme\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!((status(head), body), (200, "hello, everyone"), "{answer}");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
    gateway.stop().await;
}

/// An upstream that closes an idle connection after a second may close it while the next request is on its way.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connection_is_not_reused_near_the_time_that_its_upstream_says() {
    for (said, expected) in [("timeout=60, max=100", 3), ("timeout=1", 1)] {
        let script = format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: {said}\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let upstream = Scripted::start(vec![script]).await;
        let gateway = start(Setup::default().onfido(upstream.address)).await;

        for _ in 0..3 {
            let answer = call(gateway.address(), 0, 1, "1.1").await;
            assert_eq!(status(&answer), 200, "{answer}");
        }

        assert_eq!(upstream.most_on_one_connection(), expected, "{said}");
        gateway.stop().await;
    }
}
