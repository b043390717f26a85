//! The routes, limits, deadlines and certificates of listeners.

use std::time::{Duration, Instant};

use kyc_harness::certificates::Authority;
use reqwest::{Client, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{exchange, send, status};
use crate::support::upstream::Echo;

const GET: &[u8] = b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-acme\r\n\r\n";

fn listener(more: &str) -> String {
    format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{more}")
}

/// Waits until the gateway closes the connection. Returns the bytes that it sent before.
async fn closed(mut stream: impl AsyncReadExt + Unpin) -> String {
    let mut sent = Vec::new();
    // Closed with unread bytes it is a reset.
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut sent)).await.unwrap();
    String::from_utf8_lossy(&sent).into_owned()
}

fn client(authority: &Authority, gateway: &Gateway, identity: Option<Identity>) -> Client {
    let builder = Client::builder()
        .tls_certs_only([authority.certificate()])
        .pool_max_idle_per_host(0)
        .resolve("gateway.test", gateway.address());
    match identity {
        Some(identity) => builder.identity(identity),
        None => builder,
    }
    .build()
    .unwrap()
}

async fn get(client: &Client, gateway: &Gateway) -> Result<u16, reqwest::Error> {
    let url = format!("https://gateway.test:{}/dcs/kyc2/applicants", gateway.address().port());
    Ok(client.get(url).header("SubscriptionId", "sub-acme").send().await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_has_its_own_routes_and_limits() {
    let onfido = Echo::start().await;
    let public = "[[listeners]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\nroutes = [\"webhook\"]\n\
                  downstream = { max_requests_per_connection = 1 }\n";
    let config = format!("{}{public}", listener("routes = [\"onfido\"]\n"));
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let notify = b"POST /dcs/kyc2/webhook/notify/nobody HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n";

    let outside = send(gateway.listener("public"), GET).await;
    let inside = send(gateway.address(), GET).await;
    let posted = send(gateway.listener("public"), notify).await;
    // On the internal listener the path is still that of a notification, not of a call to Onfido.
    let astray = send(gateway.address(), notify).await;

    assert_eq!((status(&outside), status(&inside), onfido.requests()), (404, 200, 1));
    assert!(outside.contains("route_not_found"), "{outside}");
    assert!(posted.contains("unauthenticated"), "{posted}");
    assert_eq!(status(&astray), 404, "{astray}");
    let has_close = |answer: &str| answer.to_ascii_lowercase().contains("connection: close");
    assert!(has_close(&outside) && !has_close(&inside), "{outside}{inside}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limits_are_closed_and_counted() {
    let authority = Authority::new();
    let limits = "downstream = { max_connections = 3, max_connections_per_source = 2 }\n";
    let config = listener(&format!("{}{limits}", authority.listener_tls()));
    let gateway = start(Setup::default().config(&config)).await;
    let local = |last: u8| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, last], 0).into()).unwrap();
        socket.connect(gateway.address())
    };

    // A connection counts before its handshake.
    let first = local(1).await.unwrap();
    let _second = local(1).await.unwrap();
    let third = closed(local(1).await.unwrap()).await;
    let _other = local(2).await.unwrap();
    let full = closed(local(3).await.unwrap()).await;
    drop(first);
    let mut again = 0;
    while again == 0 {
        let stream = local(3).await.unwrap();
        again =
            usize::from(tokio::time::timeout(Duration::from_millis(100), stream.readable()).await.is_err());
    }

    assert_eq!((third.as_str(), full.as_str()), ("", ""));
    let metrics = gateway.metrics().await;
    let refused = |reason: &str| {
        format!("kyc_gateway_downstream_connections_refused_total{{listener=\"main\",reason=\"{reason}\"}}")
    };
    assert!(metrics.contains(&format!("{} 1", refused("source_full"))), "{metrics}");
    assert!(metrics.contains(&refused("listener_full")), "{metrics}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_are_closed_at_their_deadlines() {
    let onfido = Echo::start().await;
    let authority = Authority::new();
    let limits = "downstream = { head = \"1s\", read = \"2s\", keepalive = \"1s\", min_rate = \"1000 B\" }\n";
    let plain = format!("[[listeners]]\nname = \"plain\"\naddress = \"127.0.0.1:0\"\n{limits}");
    let config = format!("{}{plain}", listener(&format!("{}{limits}", authority.listener_tls())));
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let began = Instant::now();

    let handshake = closed(TcpStream::connect(gateway.address()).await.unwrap());
    let preface = closed(authority.connect(gateway.address(), b"h2").await);
    let silent = closed(TcpStream::connect(gateway.listener("plain")).await.unwrap());
    let (handshake, preface, silent) = tokio::join!(handshake, preface, silent);
    let heads = began.elapsed();
    let mut trickle = TcpStream::connect(gateway.listener("plain")).await.unwrap();
    let head = "POST /dcs/kyc2/applicants HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\nContent-Length: 100000\r\n\r\n";
    trickle.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let trickled = Instant::now();
    let read = loop {
        let _ = trickle.write_all(b"x").await;
        let waited = tokio::time::timeout(Duration::from_millis(300), trickle.read(&mut answer)).await;
        if let Ok(read) = waited {
            break read.unwrap();
        }
    };

    assert_eq!((handshake.as_str(), silent.as_str()), ("", ""));
    assert!(!preface.contains("HTTP/1"), "{preface:?}");
    assert!(heads >= Duration::from_secs(1) && heads < Duration::from_secs(20), "{heads:?}");
    assert!(answer[..read].starts_with(b"HTTP/1.1 408 "), "{:?}", String::from_utf8_lossy(&answer[..read]));
    assert!(
        trickled.elapsed() >= Duration::from_secs(2),
        "a slow line is not cut off: {:?}",
        trickled.elapsed()
    );
    assert!(gateway.metrics().await.contains("listener=\"main\",reason=\"tls_late\"} 1"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_over_the_route_limit_is_rejected_on_every_route() {
    let onfido = Echo::start().await;
    let route = "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\nmax_body = \"1000 B\"\n\
                 [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n";
    let gateway = start(Setup::default().onfido(onfido.address).config(route)).await;
    let post = |path: &str, framing: &str, body: &str| {
        format!(
            "POST /dcs/kyc2/{path} HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}"
        )
    };
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let small = "{}";

    let mut answers = Vec::new();
    for (path, framing, body) in [
        ("applicants", format!("Content-Length: {}", large.len()), &*large),
        ("applicants", "Transfer-Encoding: chunked".to_owned(), &*chunked),
        ("checks", "Transfer-Encoding: chunked".to_owned(), &*chunked),
        ("applicants", format!("Content-Length: {}", small.len()), small),
    ] {
        answers.push(status(&send(gateway.address(), post(path, &framing, body).as_bytes()).await));
    }

    assert_eq!(answers, [413, 413, 413, 200]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_valid_certificate_of_the_configured_authority_is_accepted() {
    let onfido = Echo::start().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let clients = format!(", client_ca_file = \"{}/authority.pem\"", authority.folder().display());
    let guard = "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\nany_tenant = true\n\
                 [[routes.plugins]]\nplugin = \"caller-auth\"\ncertificates = [\"O=FintechOS, CN=processor\", \"DNS:spare.example\"]\n\
                 [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n";
    let config = format!("{}{guard}", listener(&authority.listener_tls_with(&clients)));
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let rows = [
        ("none", None, None),
        ("another authority's", Some(other.caller("processor", "a.example", 2999)), None),
        ("expired", Some(authority.caller("processor", "a.example", 2001)), None),
        ("another caller's", Some(authority.caller("intern", "a.example", 2999)), Some(401)),
        ("the subject", Some(authority.caller("processor", "a.example", 2999)), Some(200)),
        ("an alternative name", Some(authority.caller("intern", "spare.example", 2999)), Some(200)),
    ];

    for (what, identity, expected) in rows {
        let answer = get(&client(&authority, &gateway, identity), &gateway).await;
        assert_eq!(answer.ok(), expected, "{what}");
    }

    assert_eq!(onfido.requests(), 2);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("listener=\"main\",reason=\"tls\"} 3"), "{metrics}");
    assert!(metrics.contains("kyc_gateway_callers_refused_total{reason=\"certificate\",route=\"onfido\"} 1"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_rotate_under_load_without_a_failed_request() {
    let onfido = Echo::start().await;
    let authority = Authority::new();
    let config = format!("[server]\ncertificate_poll = \"20ms\"\n{}", listener(&authority.listener_tls()));
    let gateway = start(Setup::default().onfido(onfido.address).config(&config)).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let client = client(&authority, &gateway, None);
            let url = format!("https://gateway.test:{}/dcs/kyc2/applicants", gateway.address().port());
            let stopped = stopped.clone();
            tokio::spawn(async move {
                let mut answered = 0;
                while !*stopped.borrow() {
                    let answer = client.get(&url).header("SubscriptionId", "sub-acme").send().await;
                    assert_eq!(answer.unwrap().status(), 200);
                    answered += 1;
                }
                answered
            })
        })
        .collect();

    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        authority.renew();
        let expected = seen.len() + 1;
        while seen.len() < expected {
            let stream = authority.connect(gateway.address(), b"http/1.1").await;
            let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
            seen.insert(shown);
        }
    }
    std::fs::write(authority.folder().join("key.pem"), "half a k").unwrap();
    let told = "new certificate files are refused; the previous ones stay in use";
    while !gateway.log().contains(told) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(true).unwrap();
    let mut answered = 0;
    for call in calls {
        answered += call.await.unwrap();
    }

    println!("{answered} calls over new connections while the certificate changed {} times", seen.len());
    assert!(answered >= 20, "only {answered} calls");
    assert!(
        gateway
            .metrics()
            .await
            .contains("kyc_gateway_listener_certificate_expires_timestamp_seconds{listener=\"main\"} ")
    );
    let log = gateway.stop().await;
    assert!(!log.contains("TLS handshake failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalive_connection_gets_connection_close_before_the_exit() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;
    let mut kept = TcpStream::connect(gateway.address()).await.unwrap();
    let before = exchange(&mut kept, GET).await;

    gateway.signal("-TERM");
    while !gateway.log().contains("\"draining\"") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let after = exchange(&mut kept, GET).await;

    assert_eq!((status(&before), status(&after)), (200, 200), "{after}");
    assert!(after.to_ascii_lowercase().contains("connection: close"), "{after}");
    assert_eq!(closed(kept).await, "");
    drop(gateway);
}
