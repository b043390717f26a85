//! Several gateways on one PostgreSQL database.

use std::collections::BTreeSet;

use kyc_harness::postgres::Postgres;
use kyc_sandbox::portal::Mode;

use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::support::world::World;

/// A configuration with a shared database, and a retry schedule that is a hundred times faster.
pub(crate) fn config(server: &Postgres, folder: &std::path::Path) -> String {
    let (url, key) = (folder.join("url"), folder.join("key"));
    std::fs::write(&url, server.url()).unwrap();
    std::fs::write(&key, "5e".repeat(32)).unwrap();
    let store = format!(
        "events.postgres_file = {url:?}\nevents.key_file = {key:?}\ndelivery.attempt = \"1s\"\ndelivery.lease = \"2s\"\n"
    );
    stored().replace("events.path = \"store/events.db\"\n", &store)
}

#[tokio::test(flavor = "multi_thread")]
async fn event_stored_by_one_gateway_is_delivered_once_by_any_gateway() {
    let (server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let world = World::start(&config(&server, folder.path())).await;
    let twin = world.gateway.twin().await;
    world.acme.set_mode(Mode::Status(500));

    let events: BTreeSet<String> = (0..40).map(event).collect();
    for event in &events {
        assert_eq!(world.notify("acme", event).await.status(), 200);
        assert_eq!(world.notify("globex", event).await.status(), 200);
    }
    world.acme.set_mode(Mode::Ok);
    wait_for_all(&world.globex, &events).await;
    wait_for_all(&world.acme, &events).await;

    for portal in [&world.acme, &world.globex] {
        assert!(taken(portal).values().all(|count| *count == 1));
    }
    // The gateway that stored the events stops; the other one still accepts and delivers.
    world.gateway.stop().await;
    twin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_with_an_expired_claim_cannot_record_a_result() {
    let (server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let world = World::start(&config(&server, folder.path())).await;
    world.acme.set_mode(Mode::Hang);
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    // Set when the first attempt starts.
    while !world.gateway.metrics().await.contains(r#"kyc_gateway_delivery_breaker_state{tenant="acme"}"#) {
        tokio::task::yield_now().await;
    }

    world.gateway.signal("-STOP");
    world.acme.set_mode(Mode::Ok);
    let twin = world.gateway.twin().await;
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    world.gateway.signal("-CONT");
    let log = world.gateway.stop().await;

    assert!(log.contains("the claim expired before the delivery ended"), "{log}");
    assert_eq!(taken(&world.acme).values().sum::<usize>(), 1, "{log}");
    twin.stop().await;
}
