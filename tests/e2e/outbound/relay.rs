//! Limits during an exchange: write timeouts and body limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::gateway::{Setup, start};
use crate::support::raw::{exchange, read_head, status};
use crate::support::scripted::{Scripted, call, routes};
use crate::support::upstream::Echo;

/// Pingora's sessions apply the write timeout only to bodies. A caller that read nothing kept a slot of its tenant without a limit.
#[tokio::test(flavor = "multi_thread")]
async fn caller_that_reads_nothing_does_not_use_up_the_tenants_limit() {
    let fields: String = (0..40).map(|number| format!("X-F{number}: {}\r\n", "a".repeat(700))).collect();
    let script = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello");
    let cut = script.len() - 5;
    let upstream = Scripted::start(vec![script]).await;
    let config =
        format!("[downstream]\nwrite = \"1s\"\n{}", routes("").replace("open = ", "in_flight = 2, open = "));
    let gateway = start(Setup::default().onfido(upstream.address).config(&config)).await;
    let mut deaf = Vec::new();
    for _ in 0..2 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(gateway.address()).await.unwrap();
        let request =
            format!("GET /dcs/kyc2/0/{cut}/1.1 HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n\r\n");
        // Requests on one connection are served sequentially, and the caller never reads the responses.
        let (_, mut writer) = stream.into_split();
        deaf.push(tokio::spawn(async move {
            while writer.write_all(request.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        }));
    }

    // Both connections fill the socket buffers, stall, and are closed.
    for end in deaf {
        timeout(Duration::from_secs(60), end).await.expect("the connection is ended").unwrap();
    }

    let answer = call(gateway.address(), 0, cut, "1.1").await;
    assert_eq!(status(&answer), 200, "{answer}");
    gateway.stop().await;
}

/// The bytes of a retried body are counted from zero again.
#[tokio::test(flavor = "multi_thread")]
async fn retry_does_not_raise_the_body_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&received);
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut stream, _)) = listener.accept().await {
            let log = Arc::clone(&log);
            let closes = std::mem::take(&mut first);
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                let mut count = 0;
                while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                    if bytes.starts_with(b"GET") {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                        continue;
                    }
                    count += read;
                    // A request is retried if its keep-alive connection closes before a response.
                    if closes && count > 50_000 {
                        break;
                    }
                }
                log.lock().unwrap().push(count);
            });
        }
    });
    let config = routes("max_body = \"100KiB\"\n");
    let gateway = start(Setup::default().onfido(address).config(&config)).await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let fields = "Host: g\r\nSubscriptionId: sub-acme\r\n";
    let kept = exchange(&mut stream, format!("GET /dcs/kyc2/x HTTP/1.1\r\n{fields}\r\n").as_bytes()).await;

    let piece = format!("7530\r\n{}\r\n", "a".repeat(30_000));
    let head = format!("PUT /dcs/kyc2/applicants/x HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
    stream.write_all(format!("{head}{piece}{piece}").as_bytes()).await.unwrap();
    while received.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = exchange(&mut stream, format!("{piece}{piece}{piece}0\r\n\r\n").as_bytes()).await;

    assert_eq!((status(&kept), status(&answer)), (200, 413), "{answer}");
    gateway.stop().await;
}

/// The second attempt took another idle connection, which the same firewall or restart had closed.
#[tokio::test(flavor = "multi_thread")]
async fn retry_after_a_dead_idle_connection_uses_a_new_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = start(Setup::default().onfido(listener.local_addr().unwrap())).await;
    let request: &[u8] = b"GET /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n\r\n";
    let answer: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut callers = Vec::new();
    let mut upstreams = Vec::new();
    // Three calls at the same time, so that three connections are idle afterwards.
    for _ in 0..3 {
        let mut caller = TcpStream::connect(gateway.address()).await.unwrap();
        caller.write_all(request).await.unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        read_head(&mut upstream).await;
        callers.push(caller);
        upstreams.push(upstream);
    }
    for (caller, upstream) in callers.iter_mut().zip(&mut upstreams) {
        upstream.write_all(answer).await.unwrap();
        assert_eq!(status(&exchange(caller, b"").await), 200);
    }

    // Each of them closes when it is used, as behind a firewall that has forgotten them.
    for mut upstream in upstreams {
        tokio::spawn(async move { read_head(&mut upstream).await });
    }
    let upstream = tokio::spawn(async move {
        let (mut upstream, _) = listener.accept().await.unwrap();
        read_head(&mut upstream).await;
        upstream.write_all(answer).await.unwrap();
        upstream
    });
    let caller = callers.first_mut().unwrap();
    let retried = timeout(Duration::from_secs(30), exchange(caller, request)).await.unwrap();

    assert_eq!(status(&retried), 200, "{retried}");
    drop(upstream.await.unwrap());
    gateway.stop().await;
}

/// With unread bytes the system resets a connection that is closed, and the caller can lose its response (RFC 9112 §9.6).
#[tokio::test(flavor = "multi_thread")]
async fn caller_that_is_refused_while_it_writes_gets_its_response() {
    const LENGTH: usize = 4 << 20;
    let onfido = Echo::start().await;
    let config = routes("max_body = \"1MiB\"\n");
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let rows = [
        ("POST", "/dcs/kyc2/documents", "SubscriptionId: nobody", 401),
        ("POST", "/nowhere", "SubscriptionId: sub-acme", 404),
        ("POST", "/dcs/kyc2/documents", "SubscriptionId: sub-acme", 413),
        ("POST", "/dcs/kyc2/documents", "SubscriptionId: sub-acme\r\nSubscriptionId: sub-acme", 400),
        ("OPTIONS", "/dcs/kyc2/documents", "SubscriptionId: sub-acme\r\nMax-Forwards: 0", 200),
    ];

    for (method, path, fields, expected) in rows {
        // OPTIONS is answered before the limit of the body.
        let mut caller = TcpStream::connect(gateway.address()).await.unwrap();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: g\r\n{fields}\r\nContent-Length: {LENGTH}\r\n\r\n");
        let answer = exchange(&mut caller, head.as_bytes()).await;
        let written = caller.write_all(&vec![b'a'; LENGTH]).await;
        let mut rest = Vec::new();
        let end = caller.read_to_end(&mut rest).await;

        assert_eq!(status(&answer), expected, "{answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(written.is_ok() && end.is_ok(), "{expected}: {written:?} {end:?}");
        assert_eq!(rest, b"", "{expected}");
    }
    assert_eq!(onfido.requests(), 0);
    gateway.stop().await;
}
