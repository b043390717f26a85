//! Jumps of the system clock while the gateway runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use kyc_sandbox::portal::Mode;

use crate::notifications::disk::{Disk, NOT_RUN, on};
use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::support::gateway::wait_for_end;
use crate::support::soon;
use crate::support::world::World;

fn library() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib").unwrap().find_map(|folder| {
        let path = folder.ok()?.path().join("faketime/libfaketimeMT.so.1");
        path.exists().then_some(path)
    });
    found.expect("Debian's package faketime is installed by `make test`")
}

/// A gateway whose clock can be set through the returned file.
pub(super) async fn world(folder: &Path, config: &str) -> (World, PathBuf) {
    let clock = folder.join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let preload = library().to_string_lossy().into_owned();
    let environment = [
        ("LD_PRELOAD", preload.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    (World::start_in(config, &environment).await, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_jump_of_an_hour_delays_events_by_at_most_one_retry() {
    let folder = tempfile::tempdir().unwrap();
    let one_step = stored().replace(r#"["20ms", "50ms", "150ms", "300ms"]"#, r#"["1s"]"#);
    let (world, clock) = world(folder.path(), &one_step).await;

    let mut waits = Vec::new();
    for (number, offset) in ["+3600", "+0", "-3600", "+0", "+3600", "-3600"].into_iter().enumerate() {
        world.acme.set_mode(Mode::Status(503));
        let calls = world.acme.calls().len();
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
        // At least one attempt was made, so the event waits for its retry.
        world.acme.calls().wait_for_count(calls + 1).await.unwrap();
        std::fs::write(&clock, offset).unwrap();
        world.acme.set_mode(Mode::Ok);
        let jumped = Instant::now();
        wait_for_all(&world.acme, &BTreeSet::from([event(number)])).await;
        waits.push(jumped.elapsed().as_millis());
        // Two jumps within one second would count as one.
        let noticed = || world.gateway.log().matches("the system clock has jumped").count() > number;
        soon(async || noticed().then_some(())).await;
    }

    println!("delivered after a jump and {waits:?} ms; a step is 1000 ms, and 200 of jitter");
    world.gateway.stop().await;
    // A retry delay, the dispatcher's poll interval of a second, and a margin for a busy machine.
    assert!(waits.iter().all(|wait| *wait < 1_200 + 1_000 + 3_000), "{waits:?}");
    assert!(taken(&world.acme).values().all(|count| *count == 1));
}

/// When a result could not be recorded before the clock was set back, its event kept the due time of the old clock, and so did
/// events whose due times could not be updated: they waited for as long as the clock had jumped.
#[tokio::test(flavor = "multi_thread")]
async fn clock_set_back_while_the_disk_is_full_delays_no_event() {
    let Some(disk) = Disk::mount("8m") else { return println!("{NOT_RUN}") };
    let folder = tempfile::tempdir().unwrap();
    // One attempt at a time: its result cannot be stored, and the other events wait in the store.
    let config =
        on(&disk).replace(r#"["20ms", "50ms", "150ms", "300ms"]"#, "[\"2s\"]\ndelivery.in_flight = 1");
    let (world, clock) = world(folder.path(), &config).await;
    world.acme.set_mode(Mode::Status(409));
    let bodies: BTreeSet<String> = (0..4).map(event).collect();
    for body in &bodies {
        assert_eq!(world.notify("acme", body).await.status(), 200);
    }
    let is_tried_once = async || {
        let listed = reqwest::get(world.gateway.admin("/events?state=waiting")).await.unwrap();
        let listed: serde_json::Value = listed.json().await.unwrap();
        let events = listed["events"].as_array().unwrap();
        events.iter().all(|event| event["attempts"] == 1).then_some(())
    };
    soon(is_tried_once).await;
    disk.fill();
    let unrecorded = async || {
        let metrics = world.gateway.metrics().await;
        let line = metrics.lines().find(|line| line.starts_with("kyc_gateway_delivery_results_unrecorded "));
        line.is_some_and(|line| !line.ends_with(" 0")).then_some(())
    };
    soon(unrecorded).await;

    std::fs::write(&clock, "-3600").unwrap();
    let logged = async |text: &str| world.gateway.log().contains(text).then_some(());
    soon(async || logged("the system clock has jumped").await).await;
    soon(async || logged("a maintenance command of the event store failed").await).await;
    disk.free();
    world.acme.set_mode(Mode::Ok);
    let freed = Instant::now();
    wait_for_all(&world.acme, &bodies).await;

    println!("delivered {} ms after there was room", freed.elapsed().as_millis());
    world.gateway.stop().await;
}

/// A clock jump of eight days made 8 of 10 events in flight dead letters, because they seemed too old.
#[tokio::test(flavor = "multi_thread")]
async fn clock_jump_of_a_week_gives_up_no_delivery_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        stored().replace("delivery.breaker_open", "delivery.attempt = \"1s\"\ndelivery.breaker_open");
    let (world, clock) = world(folder.path(), &config).await;
    world.acme.set_mode(Mode::Hang);
    let bodies: BTreeSet<String> = (0..4).map(event).collect();
    for body in &bodies {
        assert_eq!(world.notify("acme", body).await.status(), 200);
    }
    // Set when the first attempt starts.
    let begun = r#"kyc_gateway_delivery_breaker_state{tenant="acme"}"#;
    soon(async || world.gateway.metrics().await.contains(begun).then_some(())).await;

    std::fs::write(&clock, "+691200").unwrap();
    let failed = r#"kyc_gateway_delivery_attempts_total{class="transient",tenant="acme"}"#;
    soon(async || world.gateway.metrics().await.contains(failed).then_some(())).await;
    world.acme.set_mode(Mode::Ok);
    wait_for_all(&world.acme, &bodies).await;

    let metrics = world.gateway.metrics().await;
    assert!(!metrics.contains("kyc_gateway_events_dead_total{"), "{metrics}");
    let log = world.gateway.stop().await;
    assert!(log.contains("the system clock has jumped"), "{log}");
}

/// After a clock jump of a week while the gateway was stopped, waiting events waited for another week, became dead letters at their
/// next failure, or were delivered twice because their duplicate keys had expired.
#[tokio::test(flavor = "multi_thread")]
async fn clock_jump_while_stopped_loses_delays_and_repeats_no_event() {
    let mut logs = Vec::new();
    for offset in ["+3600", "-3600", "+691200", "-691200"] {
        let folder = tempfile::tempdir().unwrap();
        let config = stored().replace(
            "delivery.breaker_open",
            "events.keep_delivered = \"1h\"\nevents.keep_keys = \"24h\"\ndelivery.breaker_open",
        );
        let (mut world, clock) = world(folder.path(), &config).await;
        assert_eq!(world.notify("acme", &event(0)).await.status(), 200);
        wait_for_all(&world.acme, &BTreeSet::from([event(0)])).await;
        let delivered = r#"kyc_gateway_delivery_attempts_total{class="delivered",tenant="acme"} 1"#;
        soon(async || world.gateway.metrics().await.contains(delivered).then_some(())).await;
        world.acme.set_mode(Mode::Status(503));
        let calls = world.acme.calls().len();
        assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
        world.acme.calls().wait_for_count(calls + 1).await.unwrap();
        world.gateway.signal("-TERM");
        wait_for_end(world.gateway.pid()).await;

        std::fs::write(&clock, offset).unwrap();
        let calls = world.acme.calls().len();
        let second = world.gateway.again().await;
        let _first = std::mem::replace(&mut world.gateway, second);
        world.gateway.wait_until_ready().await;
        // One more failure, after which an event that is too old becomes a dead letter.
        world.acme.calls().wait_for_count(calls + 1).await.unwrap();
        world.acme.set_mode(Mode::Ok);
        let begun = Instant::now();
        wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;
        let waited = begun.elapsed();
        // Delivered before the jump, and resent by Onfido.
        assert_eq!(world.notify("acme", &event(0)).await.status(), 200);
        assert_eq!(world.notify("acme", &event(2)).await.status(), 200);
        wait_for_all(&world.acme, &BTreeSet::from([event(2)])).await;

        let metrics = world.gateway.metrics().await;
        logs.push(world.gateway.stop().await);
        println!("{offset}: delivered {} ms after the portal was back", waited.as_millis());
        assert!(!metrics.contains("kyc_gateway_events_dead_total{"), "{offset}: {metrics}");
        assert!(taken(&world.acme).values().all(|count| *count == 1), "{offset}: {:?}", taken(&world.acme));
    }
    assert!(logs.iter().all(|log| log.contains("due times and ages are shifted")), "{logs:?}");
}
