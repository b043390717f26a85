//! Several gateways on one PostgreSQL database.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kyc_sandbox::portal::Mode;
use kyc_sandbox::postgres::Postgres;
use tokio::sync::watch;

use crate::durable::{event, send, stored, taken, wait_for_all};
use crate::support::world::World;

/// Everything at a hundredth of its time, and in a database.
fn config(server: &Postgres, folder: &std::path::Path) -> String {
    let (url, key) = (folder.join("url"), folder.join("key"));
    std::fs::write(&url, server.url()).unwrap();
    std::fs::write(&key, "5e".repeat(32)).unwrap();
    let store =
        format!("store.postgres_file = {url:?}\nstore.key_file = {key:?}\ndispatch.attempt = \"1s\"\n");
    stored().replace("store.path = \"store/events.db\"\n", &store)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_gateway_stores_another_may_deliver_and_only_once() {
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
    // The one that has stored them stops; the other one still takes and delivers.
    world.gateway.stop().await;
    twin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_gateways_or_database_loses_an_event_that_was_answered() {
    const FAULTS: usize = 9;
    const LANES: usize = 6;
    let (mut server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let mut world = World::start(&config(&server, folder.path())).await;
    let mut twin = world.gateway.twin().await;
    let (first, to_first) = watch::channel(Some(world.gateway.address()));
    let (second, to_second) = watch::channel(Some(twin.address()));
    let accepted = [(); 2].map(|()| Arc::new(Mutex::new(BTreeSet::new())));
    let senders: Vec<_> = (0..LANES)
        .map(|lane| {
            let gateway = if lane < LANES / 2 { to_first.clone() } else { to_second.clone() };
            tokio::spawn(send(["acme", "globex"][lane % 2], lane, gateway, Arc::clone(&accepted[lane % 2])))
        })
        .collect();

    let count = || accepted.iter().map(|seen| seen.lock().unwrap().len()).sum::<usize>();
    for fault in 0..FAULTS {
        let enough = count() + 60 + fault * 31;
        while count() < enough {
            tokio::task::yield_now().await;
        }
        match fault % 3 {
            0 => {
                world.gateway.crash().await;
                first.send(Some(world.gateway.address())).unwrap();
            }
            1 => tokio::task::block_in_place(|| server.crash().unwrap()),
            _ => {
                twin.crash().await;
                second.send(Some(twin.address())).unwrap();
            }
        }
    }
    first.send(None).unwrap();
    second.send(None).unwrap();
    for sender in senders {
        sender.await.unwrap();
    }

    let (mut total, mut again) = (0, 0);
    for (portal, accepted) in [&world.acme, &world.globex].into_iter().zip(&accepted) {
        let accepted = accepted.lock().unwrap().clone();
        wait_for_all(portal, &accepted).await;
        total += accepted.len();
        again += taken(portal).values().map(|count| count - 1).sum::<usize>();
    }
    println!("{total} events answered 200 under {FAULTS} faults, all delivered, {again} delivered again");
    // At most what was under way in both gateways at each fault.
    assert!(again <= FAULTS * 32, "{again}");
    world.gateway.stop().await;
    twin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_frozen_beyond_its_claim_cannot_end_what_another_has_taken() {
    let (server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let world = World::start(&config(&server, folder.path())).await;
    world.acme.set_mode(Mode::Hang);
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    // Set when the first try begins.
    while !world.gateway.metrics().await.contains(r#"gateway_delivery_breaker_state{tenant="acme"}"#) {
        tokio::task::yield_now().await;
    }

    world.gateway.signal("-STOP");
    world.acme.set_mode(Mode::Ok);
    let twin = world.gateway.twin().await;
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    world.gateway.signal("-CONT");
    let log = world.gateway.stop().await;

    assert!(log.contains("a delivery ended after its claim"), "{log}");
    assert_eq!(taken(&world.acme).values().sum::<usize>(), 1, "{log}");
    twin.stop().await;
}
