//! Stored notifications: durable before the answer, delivered whatever fails afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kyc_sandbox::portal::{Mode, Portal};
use kyc_sandbox::signature::sign;
use tokio::sync::watch;

use crate::support::world::{World, routes};

const QUICK: &str = r#"
store.path = "store/events.db"
dispatch.schedule = ["20ms", "50ms", "150ms", "300ms"]
dispatch.breaker_open = "50ms"
dispatch.breaker_longest = "300ms"
dispatch.login_probe = "100ms"
"#;

/// Stored events, everything at a hundredth of its time.
pub(crate) fn stored() -> String {
    routes(QUICK)
}

pub(crate) fn event(number: usize) -> String {
    format!(
        r#"{{"payload":{{"resource_type":"report","action":"report.completed","object":{{"id":"r-{number}","n":1.0}}}}}}"#
    )
}

/// How often each event came to a portal.
pub(crate) fn taken(portal: &Portal) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    portal.deliveries().look(|taken| {
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
async fn an_event_is_durable_when_it_is_answered_and_delivered_once() {
    let world = World::start(&stored()).await;

    let first = world.notify("acme", &event(1)).await.status();
    let again = world.notify("acme", &event(1)).await.status();
    let other_tenant = world.notify("globex", &event(1)).await.status();
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    world.globex.deliveries().wait_for_count(1).await.unwrap();

    assert_eq!([first, again, other_tenant].map(|status| status.as_u16()), [200; 3]);
    world.acme.deliveries().look(|taken| {
        let headers = &taken[0].headers;
        assert_eq!(taken[0].event, event(1));
        assert_eq!((headers["x-attempt"].to_str().unwrap(), taken.len()), ("1", 1));
        assert_eq!(headers["idempotency-key"], headers["x-event-id"]);
        assert!(headers.contains_key("x-request-id"));
    });
    let metrics = world.gateway.metrics().await;
    for result in ["stored", "duplicate"] {
        let line = format!(r#"gateway_webhook_events_total{{result="{result}",tenant="acme"}} 1"#);
        assert!(metrics.contains(&line), "{metrics}");
    }
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_and_unusable_is_kept_as_dead() {
    let world = World::start(&stored()).await;
    let unusable = r#"{"payload":{}}"#;

    let status = world.notify("acme", unusable).await.status();

    assert_eq!(status, 200);
    let metrics = world.gateway.metrics().await;
    assert!(metrics.contains(r#"gateway_events_dead_total{reason="poison",tenant="acme"} 1"#), "{metrics}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_portal_holds_up_nobody_else_and_gets_everything_when_it_is_back() {
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
async fn every_answer_of_a_portal_has_its_end() {
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

/// Sends distinct events as fast as they are answered, to whatever gateway there is, and notes which of them were
/// answered 200.
pub(crate) async fn send(
    tenant: &'static str,
    lane: usize,
    mut gateway: watch::Receiver<Option<SocketAddr>>,
    accepted: Arc<Mutex<BTreeSet<String>>>,
) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    for number in 0.. {
        let Some(address) = *gateway.borrow_and_update() else { return };
        let body = event(lane * 1_000_000 + number);
        let answer = client
            .post(format!("http://{address}/dcs/kyc2/webhook/notify/{tenant}"))
            .header("Content-Type", "application/json")
            .header("X-SHA2-Signature", sign(&format!("sign-{tenant}"), body.as_bytes()))
            .body(body.clone())
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status() == 200 => {
                accepted.lock().unwrap().insert(body);
            }
            Ok(answer) => assert_eq!(answer.status(), 503),
            // The gateway was killed: wait for the next one.
            Err(_) => drop(gateway.changed().await),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_an_event_that_was_answered() {
    const KILLS: usize = 12;
    const LANES: usize = 8;
    let mut world = World::start(&stored()).await;
    let (address, watched) = watch::channel(Some(world.gateway.address()));
    let accepted = [(); 2].map(|()| Arc::new(Mutex::new(BTreeSet::new())));
    let senders: Vec<_> = (0..LANES)
        .map(|lane| {
            let tenant = ["acme", "globex"][lane % 2];
            tokio::spawn(send(tenant, lane, watched.clone(), Arc::clone(&accepted[lane % 2])))
        })
        .collect();

    for kill in 0..KILLS {
        // Another instant of the flow each time: so many more events after the last start.
        let enough = accepted.iter().map(|seen| seen.lock().unwrap().len()).sum::<usize>() + 40 + kill * 37;
        while accepted.iter().map(|seen| seen.lock().unwrap().len()).sum::<usize>() < enough {
            tokio::task::yield_now().await;
        }
        world.gateway.crash().await;
        address.send(Some(world.gateway.address())).unwrap();
    }
    address.send(None).unwrap();
    for sender in senders {
        sender.await.unwrap();
    }

    let mut total = 0;
    let mut again = 0;
    for (portal, accepted) in [&world.acme, &world.globex].into_iter().zip(&accepted) {
        let accepted = accepted.lock().unwrap().clone();
        wait_for_all(portal, &accepted).await;
        let counts = taken(portal);
        total += accepted.len();
        again += counts.values().map(|count| count - 1).sum::<usize>();
        // Only what was sent for this tenant, byte for byte; an event whose answer was lost may be there too.
        let others = counts.keys().filter(|event| !accepted.contains(*event)).count();
        assert!(others <= KILLS * LANES, "{others} events came that nobody was told of");
    }
    for file in std::fs::read_dir(world.gateway.folder().join("store")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!["payload", "password-", "token-", "sign-", "/portal"].into_iter().any(holds));
    }
    println!("{total} events answered 200 under {KILLS} kills, all delivered, {again} delivered again");
    // At most what was under way at each kill: 8 for each tenant.
    assert!(again <= KILLS * 16, "{again}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_finishes_what_is_under_way() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Slow(Duration::from_millis(300)));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    // The login is answered, so the delivery is on its way, and takes a while.
    world.acme.calls().wait_for_count(1).await.unwrap();

    let log = world.gateway.stop().await;

    assert_eq!(taken(&world.acme), BTreeMap::from([(event(1), 1)]));
    assert!(log.contains("event delivered"), "{log}");
}
