//! Portals that fail in every way: the recorded result of each attempt, and the final delivery of the event.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use httpmock::MockServer;
use kyc_sandbox::portal::Mode;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::support::gateway::tenant;
use crate::support::soon;
use crate::support::world::World;

/// A server that accepts connections and never reads.
async fn half_open() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    address
}

/// A server that reads requests and sends one byte of its response at a time, without end.
async fn drip() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await;
                while stream.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
    });
    address
}

/// A bound port without a listener, which refuses connections.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A server that closes the connection in the middle of its response.
async fn breaking() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access").await;
        }
    });
    address
}

/// The attempts of the only waiting event.
async fn tries(world: &World) -> Vec<Value> {
    let list =
        reqwest::get(world.gateway.admin("/events?state=waiting")).await.unwrap().text().await.unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let Some(uid) = list["events"][0]["uid"].as_str() else { return Vec::new() };
    let shown = reqwest::get(world.gateway.admin(&format!("/events/{uid}"))).await.unwrap();
    let shown: Value = serde_json::from_str(&shown.text().await.unwrap()).unwrap();
    shown["tries"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_failure_of_a_portal_is_retried_within_a_timeout() {
    let quick = stored().replace("events.path", "delivery.attempt = \"400ms\"\nevents.path");
    let world = World::start(&quick).await;
    let certificate = MockServer::start_async().await;
    let plain = |address: SocketAddr| format!("http://{address}/portal");
    let (_taken, nobody) = refusing();
    let faults = [
        ("refused", plain(nobody), "no complete response to the portal login"),
        ("half open", plain(half_open().await), "portal call timed out"),
        ("slow drip", plain(drip().await), "portal call timed out"),
        ("broken off", plain(breaking().await), "no complete response to the portal login"),
        (
            "no such name",
            "https://portal.invalid/portal".to_owned(),
            "no complete response to the portal login",
        ),
        (
            "wrong certificate",
            format!("https://{}/portal", certificate.address()),
            "no complete response to the portal login",
        ),
    ];

    for (number, (name, url, error)) in faults.into_iter().enumerate() {
        let entries = |url: &str| [tenant("acme", url)];
        world.gateway.write_tenants(world.onfido.address(), &entries(&url));
        // The new document is in use when the old portal gets no more calls.
        wait_until_loaded(&world, number * 2 + 1).await;
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200, "{name}");
        // After several failures in a row, only login probes call the portal.
        let noted = soon(async || Some(tries(&world).await).filter(|tries| !tries.is_empty())).await;
        world.gateway.write_tenants(world.onfido.address(), &entries(&world.acme.url()));
        wait_until_loaded(&world, number * 2 + 2).await;
        wait_for_all(&world.acme, &BTreeSet::from([event(number)])).await;

        println!("{name}: {} in {} ms", noted[0]["error"], noted[0]["took_ms"]);
        assert!(noted[0]["error"].as_str().unwrap().starts_with(error), "{name}: {noted:?}");
        assert!(noted[0]["took_ms"].as_i64().unwrap() < 2_000, "{name}: {noted:?}");
    }

    assert!(taken(&world.acme).values().all(|count| *count == 1));
    assert_eq!(certificate.address().port(), certificate.port());
    let metrics = world.gateway.metrics().await;
    assert!(metrics.contains(r#"kyc_gateway_delivery_attempts_total{class="transient",tenant="acme"}"#));
    world.gateway.stop().await;
}

/// Waits until this many documents were loaded after the first.
async fn wait_until_loaded(world: &World, changes: usize) {
    let loaded = || world.gateway.log().matches("tenants changed").count() > changes;
    soon(async || loaded().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_portal_gets_few_calls() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(500));

    let events: BTreeSet<String> = (0..60).map(event).collect();
    for event in &events {
        assert_eq!(world.notify("acme", event).await.status(), 200);
    }
    let held = r#"kyc_gateway_delivery_breaker_state{tenant="acme"} 2"#;
    soon(async || world.gateway.metrics().await.contains(held).then_some(())).await;
    let calls = world.acme.calls().len();
    world.acme.set_mode(Mode::Ok);
    wait_for_all(&world.acme, &events).await;

    // The deliveries in flight when the circuit breaker opened, and single probes since then.
    println!("{calls} calls while 60 events waited for a portal that answered 500");
    assert!(calls < 60, "{calls}");
    assert!(taken(&world.acme).values().all(|count| *count == 1));
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_of_a_portal_holds_all_its_events() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::TooManyRequests { retry_after: 2 });
    assert_eq!(world.notify("acme", &event(0)).await.status(), 200);
    world.acme.calls().wait_for_count(2).await.unwrap();
    world.acme.set_mode(Mode::Ok);

    let events: BTreeSet<String> = (0..10).map(event).collect();
    for event in &events {
        assert_eq!(world.notify("acme", event).await.status(), 200);
    }
    wait_for_all(&world.acme, &events).await;

    let (asked, next) = world.acme.calls().inspect(|calls| {
        let asked = calls.iter().position(|call| call.status == 429).unwrap();
        (calls[asked].at, calls[asked + 1].at)
    });
    let waited = next.duration_since(asked).unwrap();
    println!("the next call came {} ms after a 429 that asked for 2 s", waited.as_millis());
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_portal_tokens_cost_a_login_each_and_no_event() {
    let world = World::start(&stored()).await;
    let events: BTreeSet<String> = (0..200).map(event).collect();

    for (number, event) in events.iter().enumerate() {
        if number % 20 == 10 {
            world.acme.expire_now();
            world.globex.expire_now();
        }
        for tenant in ["acme", "globex"] {
            assert_eq!(world.notify(tenant, event).await.status(), 200);
        }
    }
    for portal in [&world.acme, &world.globex] {
        wait_for_all(portal, &events).await;
        let logins = portal.logins();
        println!("{logins} logins for 200 events and 10 expiries");
        assert!((2..=12).contains(&logins), "{logins}");
        assert!(taken(portal).values().all(|count| *count == 1));
    }
    world.gateway.stop().await;
}

/// Hanging portals used all concurrent deliveries, and the events of a healthy tenant waited for their timeouts.
#[tokio::test(flavor = "multi_thread")]
async fn hanging_portal_does_not_delay_other_tenants() {
    let config =
        stored().replace("delivery.breaker_open", "delivery.total_in_flight = 2\ndelivery.breaker_open");
    let world = World::start(&config).await;
    world.acme.set_mode(Mode::Hang);
    for number in 0..4 {
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
    }
    // Set when the first attempt starts.
    let begun = r#"kyc_gateway_delivery_breaker_state{tenant="acme"}"#;
    soon(async || world.gateway.metrics().await.contains(begun).then_some(())).await;

    let sent = std::time::Instant::now();
    for number in 0..3 {
        assert_eq!(world.notify("globex", &event(number)).await.status(), 200);
    }
    wait_for_all(&world.globex, &(0..3).map(event).collect()).await;
    let waited = sent.elapsed();

    println!("three events beside a portal that hangs: {waited:?}; a try takes 30 s");
    assert!(waited < Duration::from_secs(15), "{waited:?}");
}
