//! Portals that fail in every way: what is noted of each try, and that the event comes in the end.

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

/// Takes connections and never reads.
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

/// Reads what comes, and answers a byte now and then, without end.
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

/// A port that is taken, and where nobody listens.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Breaks the connection in the middle of its answer.
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

/// The tries of the one event that waits.
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
async fn whatever_a_portal_does_to_a_connection_is_tried_again_and_bounded() {
    let quick = stored().replace("events.path", "delivery.attempt = \"400ms\"\nevents.path");
    let world = World::start(&quick).await;
    let certificate = MockServer::start_async().await;
    let plain = |address: SocketAddr| format!("http://{address}/portal");
    let (_taken, nobody) = refusing();
    let faults = [
        ("refused", plain(nobody), "portal login got no answer"),
        ("half open", plain(half_open().await), "portal delivery was not done in time"),
        ("slow drip", plain(drip().await), "portal delivery was not done in time"),
        ("broken off", plain(breaking().await), "portal login got no answer"),
        ("no such name", "https://portal.invalid/portal".to_owned(), "portal login got no answer"),
        (
            "wrong certificate",
            format!("https://{}/portal", certificate.address()),
            "portal login got no answer",
        ),
    ];

    for (number, (name, url, error)) in faults.into_iter().enumerate() {
        let entries = |url: &str| [tenant("acme", url)];
        world.gateway.write_tenants(world.onfido.address(), &entries(&url));
        // The document is in use once the old portal gets nothing any more.
        wait_until_loaded(&world, number * 2 + 1).await;
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200, "{name}");
        // When several faults have followed each other, logins alone ask the portal after the first try.
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

/// Waits until so many documents were taken after the first.
async fn wait_until_loaded(world: &World, changes: usize) {
    let loaded = || world.gateway.log().matches("tenants changed").count() > changes;
    soon(async || loaded().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_failures_is_answered_with_few_calls() {
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

    // What was under way when the breaker opened, and single probes since.
    println!("{calls} calls while 60 events waited for a portal that answered 500");
    assert!(calls < 60, "{calls}");
    assert!(taken(&world.acme).values().all(|count| *count == 1));
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_asks_for_time_gets_it_for_all_its_events() {
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

    let (asked, next) = world.acme.calls().look(|calls| {
        let asked = calls.iter().position(|call| call.status == 429).unwrap();
        (calls[asked].at, calls[asked + 1].at)
    });
    let waited = next.duration_since(asked).unwrap();
    println!("the next call came {} ms after a 429 that asked for 2 s", waited.as_millis());
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_expire_in_a_burst_cost_a_login_each_and_no_event() {
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

/// Portals that hung took all places, and a healthy tenant waited until their tries ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_hangs_takes_no_place_of_another() {
    let config =
        stored().replace("delivery.breaker_open", "delivery.total_in_flight = 2\ndelivery.breaker_open");
    let world = World::start(&config).await;
    world.acme.set_mode(Mode::Hang);
    for number in 0..4 {
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
    }
    // Set when the first try begins.
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
