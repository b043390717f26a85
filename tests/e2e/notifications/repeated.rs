//! Repeated notifications.

use std::collections::BTreeSet;

use kyc_sandbox::portal::Mode;
use kyc_sandbox::signature::sign;

use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::support::gateway::Gateway;
use crate::support::soon;
use crate::support::world::World;

/// Posts a notification for `acme`.
pub(crate) async fn notify(gateway: &Gateway, body: &str) -> u16 {
    let answer = reqwest::Client::new()
        .post(gateway.url("/dcs/kyc2/webhook/notify/acme"))
        .header("Content-Type", "application/json")
        .header("X-SHA2-Signature", sign("sign-acme", body.as_bytes()))
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    answer.status().as_u16()
}

/// A notification that was repeated after a rotation of the store's key was delivered twice, because duplicates were searched only
/// with the new key.
#[tokio::test(flavor = "multi_thread")]
async fn duplicate_is_recognised_after_a_key_rotation() {
    let keys = tempfile::tempdir().unwrap();
    let (current, previous) = (keys.path().join("current"), keys.path().join("previous"));
    std::fs::write(&current, "5e".repeat(32)).unwrap();
    std::fs::write(&previous, "5d".repeat(32)).unwrap();
    let setting = format!(
        "events.key_file = {current:?}\nevents.previous_key_file = {previous:?}\nevents.path = \"store/events.db\""
    );
    let world = World::start(&stored().replace("events.path = \"store/events.db\"", &setting)).await;
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;
    std::fs::rename(&current, &previous).unwrap();
    std::fs::write(&current, "5f".repeat(32)).unwrap();

    let World { acme, gateway, onfido, .. } = world;
    let twin = gateway.twin().await;
    gateway.stop().await;
    let again = notify(&twin, &event(1)).await;
    let new = notify(&twin, &event(2)).await;
    wait_for_all(&acme, &BTreeSet::from([event(1), event(2)])).await;

    assert_eq!((again, new), (200, 200));
    let metrics = twin.metrics().await;
    assert!(
        metrics.contains(r#"kyc_gateway_webhook_events_total{result="duplicate",tenant="acme"} 1"#),
        "{metrics}"
    );
    assert!(taken(&acme).values().all(|count| *count == 1), "{:?}", taken(&acme));
    twin.stop().await;
    drop(onfido);
}

/// When Onfido resent a notification whose event was a dead letter, it got 200 as a duplicate, and nothing was delivered.
#[tokio::test(flavor = "multi_thread")]
async fn notification_resent_after_its_event_died_is_delivered() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(422));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    let dead = r#"kyc_gateway_events_dead_total{reason="rejected",tenant="acme"} 1"#;
    soon(async || world.gateway.metrics().await.contains(dead).then_some(())).await;

    world.acme.set_mode(Mode::Ok);
    let again = world.notify("acme", &event(1)).await.status();
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;

    assert_eq!(again, 200);
    let metrics = world.gateway.metrics().await;
    assert!(
        metrics.contains(r#"kyc_gateway_webhook_events_total{result="revived",tenant="acme"} 1"#),
        "{metrics}"
    );
    world.gateway.stop().await;
}
