//! Buffered bodies: one caller cannot use up their memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kyc_sandbox::signature::sign;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{exchange, status};
use crate::support::world::{EVENT, World};

/// A connection from another address of this machine.
async fn from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

fn notification(tenant: &str, signature: &str, length: usize) -> String {
    format!(
        "POST /dcs/kyc2/webhook/notify/{tenant} HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n\
         X-SHA2-Signature: {signature}\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// A request in the form in which a proxy in front forwards it.
fn forwarded(request: &str, caller: &str) -> String {
    request.replacen("Host: g\r\n", &format!("Host: g\r\nX-Forwarded-For: {caller}\r\n"), 1)
}

async fn good(gateway: &Gateway, tenant: &str, source: &str) -> u16 {
    good_for(gateway, tenant, source, "127.0.0.9").await
}

async fn good_for(gateway: &Gateway, tenant: &str, source: &str, caller: &str) -> u16 {
    let signature = sign(&format!("sign-{tenant}"), EVENT.as_bytes());
    let request = format!("{}{EVENT}", notification(tenant, &signature, EVENT.len()));
    let request = forwarded(&request, caller);
    status(&exchange(&mut from(source, gateway.address()).await, request.as_bytes()).await)
}

/// Bodies that lack their last byte, of one address, until one is refused.
async fn flood(gateway: &Gateway) -> Vec<TcpStream> {
    let head = forwarded(&notification("acme", &"00".repeat(32), 32 * 1024), "192.0.2.1");
    let mut flood = Vec::new();
    for _ in 0..300 {
        let mut stream = from("127.0.0.2", gateway.address()).await;
        // Some requests are refused before their body is sent.
        let _ = stream.write_all(format!("{head}{}", "x".repeat(32 * 1024 - 1)).as_bytes()).await;
        flood.push(stream);
    }
    // The last ones have been read as far as they go when one of them is refused.
    let mut refused = [0; 12];
    let mut last = flood.pop().unwrap();
    tokio::time::timeout(Duration::from_secs(30), last.read_exact(&mut refused)).await.unwrap().unwrap();
    assert_eq!(&refused, b"HTTP/1.1 503");
    flood
}

/// 262 connections of one address used all the memory for buffered bodies, and valid notifications got 503.
#[tokio::test(flavor = "multi_thread")]
async fn unsigned_bodies_of_one_address_do_not_use_up_the_body_memory() {
    let world = World::start(LIMITS).await;
    let flood = flood(&world.gateway).await;

    let same_tenant = good(&world.gateway, "acme", "127.0.0.3").await;
    let other_tenant = good(&world.gateway, "globex", "127.0.0.4").await;
    let same_source = good(&world.gateway, "globex", "127.0.0.2").await;

    assert_eq!((same_tenant, other_tenant, same_source), (200, 200, 503));
    drop(flood);
    let log = world.gateway.stop().await;
    assert!(log.contains("other request bodies of this address use its share of the memory"), "{log}");
}

/// Behind a proxy all callers have its address, so one of them could use the share of all.
#[tokio::test(flavor = "multi_thread")]
async fn body_memory_share_applies_to_the_address_from_a_trusted_proxy() {
    let trusted = "forwarded = { header = \"X-Forwarded-For\", trusted = [\"127.0.0.2/32\"] }\n";
    let world = World::start(&format!("{LIMITS}{trusted}")).await;
    let flood = flood(&world.gateway).await;

    let other_caller = good_for(&world.gateway, "globex", "127.0.0.2", "192.0.2.2").await;
    let same_caller = good_for(&world.gateway, "globex", "127.0.0.2", "192.0.2.1").await;
    let claimed = good_for(&world.gateway, "globex", "127.0.0.3", "192.0.2.1").await;

    assert_eq!((other_caller, same_caller, claimed), (200, 503, 200));
    drop(flood);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_buffered_body_gets_408() {
    let limits = "[downstream]\nbody_min_rate = \"1000 B\"\nbody_grace = \"500ms\"\n";
    let gateway = start(Setup::default().config(limits)).await;
    let head = notification("acme", &"00".repeat(32), 60_000);
    let (mut silent, mut trickle) =
        (from("127.0.0.2", gateway.address()).await, from("127.0.0.3", gateway.address()).await);
    silent.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();

    let silence = exchange(&mut silent, b"").await;
    let silent_for = began.elapsed();
    trickle.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while answer.is_empty() {
        let _ = trickle.write_all(&[b'x'; 20]).await;
        let read = trickle.read_buf(&mut answer);
        let _ = tokio::time::timeout(Duration::from_millis(100), read).await;
        assert!(began.elapsed() < Duration::from_secs(8), "it goes on");
    }

    assert_eq!(status(&silence), 408, "{silence}");
    assert!(silence.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{silence}");
    assert!(
        silent_for >= Duration::from_millis(500) && silent_for < Duration::from_secs(8),
        "{silent_for:?}"
    );
    assert_eq!(status(&String::from_utf8_lossy(&answer)), 408);
    gateway.stop().await;
}

const LIMITS: &str = "[downstream]\nbuffered_bodies = \"4MiB\"\nbody_grace = \"60s\"\n";
