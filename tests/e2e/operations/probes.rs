//! The admin listener and the admin socket while an attacker holds their connections open.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::operations::operate::said;
use crate::support::gateway::{Setup, binary, start};
use crate::support::raw::{exchange, status};

/// Connects from an address of this machine.
async fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Sends a request on a new connection. Returns the status; 0 without a response.
async fn probe(admin: SocketAddr, source: Ipv4Addr, path: &str) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    let asked = async { exchange(&mut connect_from(source, admin).await, request.as_bytes()).await };
    let answer = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap_or_default();
    status(&answer)
}

/// 256 connections with incomplete heads used up the admin listener without a time limit, so that a kubelet would have restarted
/// the pod.
#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_do_not_block_probes() {
    let gateway = start(Setup::default()).await;
    let admin = gateway.listener("admin");
    let sources: Vec<Ipv4Addr> = (2..=9).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
    let mut took = Vec::new();
    let mut half = Vec::new();

    // The last source address is also an attacker's: good and bad callers can share an address.
    let probed = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 9)];
    for round in 0..125 {
        for source in &sources {
            let mut stream = connect_from(*source, admin).await;
            // A connection that was already displaced gets a reset.
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ").await;
            half.push(stream);
        }
        if round % 5 == 0 {
            for (source, path) in probed.iter().flat_map(|source| [(*source, "/livez"), (*source, "/readyz")])
            {
                let begun = Instant::now();
                assert_eq!(probe(admin, source, path).await, 200, "{path} from {source} in round {round}");
                took.push(begun.elapsed());
            }
        }
    }

    assert_eq!(half.len(), 1000);
    took.sort();
    println!("{} probes beside 1,000 half heads: p99 {:?}", took.len(), took[took.len() * 99 / 100]);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"refused_total{listener="admin",reason="displaced"}"#), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_at_the_admin_listener_has_a_deadline() {
    let gateway = start(Setup::default()).await;
    let mut slow = TcpStream::connect(gateway.listener("admin")).await.unwrap();

    let begun = Instant::now();
    let answer = exchange(&mut slow, b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ").await;

    assert_eq!(status(&answer), 408);
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_connection_serves_several_requests() {
    let gateway = start(Setup::default()).await;
    let admin = gateway.listener("admin");
    let mut kept = TcpStream::connect(admin).await.unwrap();

    for path in ["/livez", "/readyz", "/metrics", "/livez"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n");
        assert_eq!(status(&exchange(&mut kept, request.as_bytes()).await), 200, "{path}");
    }
}

/// 64 connections with incomplete heads used up the admin socket, and the command line waited without a time limit.
#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_do_not_block_the_admin_socket() {
    let config = "[admin]\naddress = \"127.0.0.1:0\"\n[admin.operations]\nsocket = \"admin.sock\"\n";
    let gateway = start(Setup::default().config(config)).await;
    let path = gateway.folder().join("admin.sock");
    let connect = async || {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        // A connection that was already displaced returns an error.
        let _ = stream.write_all(b"GET /admin/tenants HTTP/1.1\r\nHost: a\r\nX: ").await;
        stream
    };
    let client =
        reqwest::Client::builder().unix_socket(path.clone()).pool_max_idle_per_host(0).build().unwrap();
    let begun = Instant::now();
    let mut oldest = connect().await;
    let mut half = Vec::new();

    for round in 0..200 {
        half.push(connect().await);
        if round % 20 == 19 {
            let asked = client.get("http://localhost/admin/tenants").send();
            let answer = tokio::time::timeout(Duration::from_secs(5), asked).await;
            assert_eq!(answer.expect("the socket answers").unwrap().status(), 200, "round {round}");
        }
    }
    let (mut displaced, mut late) = (Vec::new(), Vec::new());
    let _ = oldest.read_to_end(&mut displaced).await;
    let took = begun.elapsed();
    half.pop().unwrap().read_to_end(&mut late).await.unwrap();

    assert!(displaced.is_empty() && took < Duration::from_secs(5), "the oldest gives way: {took:?}");
    assert!(late.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&late));
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"refused_total{listener="socket",reason="displaced"}"#), "{metrics}");
    gateway.stop().await;
}

/// A cache in front would report an old state.
#[tokio::test(flavor = "multi_thread")]
async fn probes_and_metrics_are_not_cached() {
    let gateway = start(Setup::default()).await;

    for path in ["/livez", "/readyz", "/metrics", "/nowhere"] {
        let answer = reqwest::get(gateway.admin(path)).await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    gateway.stop().await;
}

/// Runs `kyc-gateway health` against an address; returns its exit code and output.
fn health(admin: &str) -> (Option<i32>, String) {
    let output = Command::new(binary("kyc-gateway")).args(["health", "--admin", admin]).output().unwrap();
    (output.status.code(), said(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn health_command_tells_ready_not_ready_and_unreachable_apart() {
    let gateway = start(Setup::default()).await;
    let admin = gateway.admin("");
    let draining = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", draining.local_addr().unwrap());
    let answered = std::thread::spawn(move || {
        let (mut stream, _) = draining.accept().unwrap();
        let mut head = [0; 4096];
        let length = stream.read(&mut head).unwrap();
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 11\r\n\r\ndraining\u{1b}\n\n";
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    });

    let ready = health(&admin);
    let not_ready = health(&address);
    gateway.stop().await;
    let unreachable = health(&admin);

    assert_eq!(ready, (Some(0), "ok\n".to_owned()));
    assert_eq!(not_ready, (Some(1), "not ready: draining\\u{1b}\n".to_owned()));
    assert!(answered.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
    assert!(
        unreachable.0 == Some(3) && unreachable.1.starts_with("no gateway answers at "),
        "{unreachable:?}"
    );
}
