//! Stored notifications: durable before the response, and delivered after any failure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kyc_sandbox::portal::{Mode, Portal};

use crate::support::world::{World, routes};

const QUICK: &str = r#"
events.path = "store/events.db"
delivery.schedule = ["20ms", "50ms", "150ms", "300ms"]
delivery.breaker_open = "50ms"
delivery.breaker_longest = "300ms"
delivery.login_probe = "100ms"
"#;

/// A configuration that stores events, with a retry schedule that is a hundred times faster.
pub(crate) fn stored() -> String {
    routes(QUICK)
}

pub(crate) fn event(number: usize) -> String {
    format!(
        r#"{{"payload":{{"resource_type":"report","action":"report.completed","object":{{"id":"r-{number}","n":1.0}}}}}}"#
    )
}

/// The number of deliveries of each event to a portal.
pub(crate) fn taken(portal: &Portal) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    portal.deliveries().inspect(|taken| {
        for delivery in taken {
            *counts.entry(String::from_utf8(delivery.event.to_vec()).unwrap()).or_default() += 1;
        }
    });
    counts
}

pub(crate) async fn wait_for_all(portal: &Portal, wanted: &BTreeSet<String>) {
    let all = |taken: &[kyc_sandbox::portal::Delivery]| {
        let seen: BTreeSet<&[u8]> = taken.iter().map(|delivery| delivery.event.as_ref()).collect();
        wanted.iter().all(|event| seen.contains(event.as_bytes())).then_some(())
    };
    portal.deliveries().wait_for(all).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn event_is_durable_before_the_200_and_delivered_once() {
    let world = World::start(&stored()).await;

    let first = world.notify("acme", &event(1)).await.status();
    let again = world.notify("acme", &event(1)).await.status();
    let other_tenant = world.notify("globex", &event(1)).await.status();
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    world.globex.deliveries().wait_for_count(1).await.unwrap();

    assert_eq!([first, again, other_tenant].map(|status| status.as_u16()), [200; 3]);
    world.acme.deliveries().inspect(|taken| {
        let headers = &taken[0].headers;
        assert_eq!(taken[0].event, event(1));
        assert_eq!((headers["x-attempt"].to_str().unwrap(), taken.len()), ("1", 1));
        assert_eq!(headers["idempotency-key"], headers["x-event-id"]);
        assert!(headers.contains_key("x-request-id"));
    });
    let metrics = world.gateway.metrics().await;
    for result in ["stored", "duplicate"] {
        let line = format!(r#"kyc_gateway_webhook_events_total{{result="{result}",tenant="acme"}} 1"#);
        assert!(metrics.contains(&line), "{metrics}");
    }
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_unusable_notification_is_stored_as_dead() {
    let world = World::start(&stored()).await;
    let unusable = r#"{"payload":{}}"#;

    let status = world.notify("acme", unusable).await.status();

    assert_eq!(status, 200);
    let metrics = world.gateway.metrics().await;
    assert!(
        metrics.contains(r#"kyc_gateway_events_dead_total{reason="poison",tenant="acme"} 1"#),
        "{metrics}"
    );
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn portal_outage_delays_no_other_tenant_and_its_events_are_delivered_afterwards() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(500));

    let events: BTreeSet<String> = (0..30).map(event).collect();
    for event in &events {
        for tenant in ["acme", "globex"] {
            assert_eq!(world.notify(tenant, event).await.status(), 200);
        }
    }
    wait_for_all(&world.globex, &events).await;
    assert!(world.acme.deliveries().is_empty());
    world.acme.set_mode(Mode::Ok);
    wait_for_all(&world.acme, &events).await;

    for portal in [&world.acme, &world.globex] {
        let counts = taken(portal);
        assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), events);
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    }
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_portal_response_has_its_defined_result() {
    let world = World::start(&stored()).await;
    let modes = [
        Mode::Refuse401Once,
        Mode::Refuse401Always,
        Mode::LoginDown,
        Mode::IsSuccessFalse,
        Mode::ExpiredEnvelopeOnce,
        Mode::Status(404),
        Mode::Status(409),
        Mode::TooManyRequests { retry_after: 1 },
    ];

    for (number, mode) in modes.into_iter().enumerate() {
        world.acme.expire_now();
        let calls = world.acme.calls().len();
        world.acme.set_mode(mode.clone());
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
        world.acme.calls().wait_for_count(calls + 2).await.unwrap();
        world.acme.set_mode(Mode::Ok);
        wait_for_all(&world.acme, &BTreeSet::from([event(number)])).await;
    }

    assert!(taken(&world.acme).values().all(|count| *count == 1));
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_finishes_deliveries_in_flight() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Slow(Duration::from_millis(300)));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    // The login is answered, so the delivery is in flight, and the portal is slow.
    world.acme.calls().wait_for_count(1).await.unwrap();

    let log = world.gateway.stop().await;

    assert_eq!(taken(&world.acme), BTreeMap::from([(event(1), 1)]));
    assert!(log.contains("event delivered"), "{log}");
}
