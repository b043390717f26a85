//! Held deliveries: a repaired portal is detected within seconds by probes, which do not count as attempts of events.

use std::collections::BTreeSet;

use kyc_harness::postgres::Postgres;
use kyc_sandbox::portal::Mode;
use serde_json::Value;

use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::operations::operate::{events, json, said};
use crate::support::gateway::tenant;
use crate::support::soon;
use crate::support::world::{World, with};

/// A retry schedule with five attempts at once and the next one after an hour.
fn patient() -> String {
    stored().replace(r#"["20ms", "50ms", "150ms", "300ms"]"#, r#"["20ms", "20ms", "20ms", "20ms", "1h"]"#)
}

async fn wait_until_held(world: &World, tenant: &str) {
    let held = format!(r#"kyc_gateway_delivery_breaker_state{{tenant="{tenant}"}} 2"#);
    soon(async || world.gateway.metrics().await.contains(&held).then_some(())).await;
}

/// The events of a repaired portal were delivered only 3 min 52 s later, because the circuit breaker probed the portal only when an
/// event was due.
#[tokio::test(flavor = "multi_thread")]
async fn repaired_portal_is_probed_before_its_events_are_due() {
    let world = World::start(&patient()).await;
    world.acme.set_mode(Mode::LoginDown);
    world.globex.set_mode(Mode::Status(500));
    for name in ["acme", "globex"] {
        assert_eq!(world.notify(name, &event(1)).await.status(), 200);
        wait_until_held(&world, name).await;
    }
    // Probes fail, and they do not count as attempts.
    world.acme.calls().wait_for_count(3).await.unwrap();

    world.acme.set_mode(Mode::Ok);
    world.globex.set_mode(Mode::Ok);
    for portal in [&world.acme, &world.globex] {
        wait_for_all(portal, &BTreeSet::from([event(1)])).await;
    }

    let attempt =
        world.acme.deliveries().inspect(|taken| taken[0].headers["x-attempt"].to_str().unwrap().to_owned());
    assert_eq!(attempt, "6", "probes are no tries");
    assert!(taken(&world.acme).values().chain(taken(&world.globex).values()).all(|count| *count == 1));
    let log = world.gateway.stop().await;
    for said in [
        r#""reason":"unreachable""#,
        r#""reason":"failing""#,
        "deliveries are resumed: the portal accepts events again",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
}

/// A corrected password was used only after up to 15 minutes, and the wrong one was tried meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn refused_password_is_retried_only_after_a_change() {
    let config = patient().replace(r#"delivery.login_probe = "100ms""#, r#"delivery.login_probe = "1h""#);
    let world = World::start_with(&config, |entry| with(entry, "ftosPassword", "wrong")).await;
    for number in 0..4 {
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
    }
    wait_until_held(&world, "acme").await;

    world.gateway.write_tenants(world.onfido.address(), &[tenant("acme", &world.acme.url())]);
    wait_for_all(&world.acme, &(0..4).map(event).collect()).await;

    let refused = world.acme.calls().inspect(|calls| calls.iter().filter(|call| call.status != 200).count());
    assert_eq!(refused, 1, "logins with the password that was refused");
    let log = world.gateway.stop().await;
    assert!(log.contains(r#""reason":"login_refused""#), "{log}");
}

/// The first log line with this message about acme.
async fn logged(world: &World, message: &str) -> Value {
    soon(async || {
        let log = world.gateway.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == message && line["tenant"] == "acme")
    })
    .await
}

/// Probes logged nothing: after the first seconds of an outage, the log did not show that it continued, or why.
#[tokio::test(flavor = "multi_thread")]
async fn log_shows_why_and_until_when_deliveries_are_held() {
    let config = patient().replace(r#"delivery.login_probe = "100ms""#, r#"delivery.login_probe = "1h""#);
    let world = World::start_with(&config, |entry| with(entry, "ftosPassword", "wrong")).await;
    let (onfido, entry) = (world.onfido.address(), tenant("acme", &world.acme.url()));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);

    let held = logged(&world, "deliveries are held").await;
    world.gateway.write_tenants(onfido, &[with(entry.clone(), "ftosPassword", "another wrong one")]);
    let still_held = logged(&world, "deliveries are still held").await;
    world.gateway.write_tenants(onfido, &[entry]);
    let released = logged(&world, "deliveries are resumed: the portal accepts events again").await;

    for line in [&held, &still_held] {
        assert_eq!((&line["level"], &line["reason"]), (&"WARN".into(), &"login_refused".into()), "{line}");
        assert_eq!(line["error"], "portal answered 401 to the login", "{line}");
        assert!(line["until"].is_string() && line["held_tenants"] == 1, "{line}");
    }
    for line in [&still_held, &released] {
        assert!(line["failed_probes"] == 1 && line["held_s"].is_u64(), "{line}");
    }
    assert_eq!(released["held_tenants"], 0, "{released}");
    world.gateway.stop().await;
}

/// A tenant was renamed while its portal was down. The hold of its former name stayed in the metrics until the next start, so that
/// the alert `PortalHeld` fired for a removed tenant, and its events waited for their retry schedule.
#[tokio::test(flavor = "multi_thread")]
async fn hold_ends_when_no_tenant_has_its_name() {
    let never = patient().replace(r#""50ms""#, r#""1h""#).replace(r#""300ms""#, r#""1h""#);
    let world = World::start(&never).await;
    world.acme.set_mode(Mode::LoginDown);
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    wait_until_held(&world, "acme").await;
    world.acme.set_mode(Mode::Ok);

    let renamed = with(tenant("acme", &world.acme.url()), "Name", "initech");
    world.gateway.write_tenants(world.onfido.address(), &[renamed]);
    let line = logged(&world, "deliveries are no longer held").await;
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;

    assert_eq!(line["reason"], "not_in_document", "{line}");
    let metrics = world.gateway.metrics().await;
    assert!(!metrics.contains(r#"kyc_gateway_delivery_breaker_state{tenant="acme"}"#), "{metrics}");
    assert!(!metrics.contains("kyc_gateway_delivery_held{"), "{metrics}");
    world.gateway.stop().await;
}

/// Waits until the summary shows a reason why a tenant's deliveries are held, and returns its entry.
async fn held(world: &World, tenant: &str, reason: &str) -> Value {
    soon(async || {
        let summary = json(&world.gateway, &["summary"]);
        let tenants = summary["tenants"].as_array().unwrap();
        let found = tenants.iter().find(|one| one["tenant"] == tenant && one["held"]["reason"] == reason);
        found.cloned()
    })
    .await
}

/// No command showed which events waited, since when, why and until when.
async fn summarised(config: &str) {
    let config = config.replace(r#"delivery.login_probe = "100ms""#, r#"delivery.login_probe = "1h""#);
    let wrong =
        |entry: Value| if entry["Name"] == "acme" { with(entry, "ftosPassword", "wrong") } else { entry };
    let world = World::start_with(&config, wrong).await;
    world.globex.set_mode(Mode::TooManyRequests { retry_after: 600 });
    assert_eq!(world.notify("globex", &event(0)).await.status(), 200);
    for number in 0..3 {
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
    }

    let acme = held(&world, "acme", "login_refused").await;
    let globex = held(&world, "globex", "retry_after").await;
    let shown = said(&events(&world.gateway, &["summary"]));
    let metrics = world.gateway.metrics().await;
    world.gateway.write_tenants(world.onfido.address(), &[tenant("acme", &world.acme.url())]);
    wait_for_all(&world.acme, &(0..3).map(event).collect()).await;
    let gone = held(&world, "globex", "not_in_document").await;

    let counts = |tenant: &Value| {
        ["waiting", "parked", "dead", "delivered"].map(|state| tenant[state].as_i64().unwrap())
    };
    assert_eq!([counts(&acme), counts(&globex), counts(&gone)], [[3, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]);
    assert_eq!(acme["held"]["error"], "portal answered 401 to the login");
    for tenant in [&acme, &globex] {
        assert!(tenant["oldest_age_s"].as_i64().is_some_and(|age| age < 600), "{tenant}");
        assert!(["since", "until"].iter().all(|time| tenant["held"][time].is_string()), "{tenant}");
        assert!(tenant["next_due"].is_string(), "{tenant}");
    }
    assert!(shown.starts_with("deliveries: running\nTENANT "), "{shown}");
    assert!(shown.contains("login_refused until 2") && shown.contains("retry_after until 2"), "{shown}");
    assert!(
        metrics.contains(r#"kyc_gateway_delivery_held{reason="login_refused",tenant="acme"} 1"#),
        "{metrics}"
    );
    let heartbeat = "kyc_gateway_delivery_dispatcher_heartbeat_timestamp_seconds ";
    assert!(metrics.lines().any(|line| line.starts_with(heartbeat)), "{metrics}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn summary_of_a_sqlite_store_shows_why_events_wait_and_until_when() {
    summarised(&patient()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn summary_of_a_postgres_store_shows_why_events_wait_and_until_when() {
    let (server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let config = crate::notifications::shared::config(&server, folder.path());

    summarised(&config.replace(r#"["20ms", "50ms", "150ms", "300ms"]"#, r#"["20ms", "1h"]"#)).await;
}

/// A replay of a waiting event had no effect and showed no reason, because the tenant's deliveries were held.
#[tokio::test(flavor = "multi_thread")]
async fn replay_makes_waiting_events_due_or_shows_why_they_are_held() {
    let hour = r#"delivery.breaker_open = "1h""#;
    let config = patient().replace(r#"delivery.breaker_open = "50ms""#, hour);
    let world = World::start(&config).await;
    world.acme.set_mode(Mode::LoginDown);
    world.globex.set_mode(Mode::TooManyRequests { retry_after: 600 });
    for name in ["acme", "globex"] {
        assert_eq!(world.notify(name, &event(1)).await.status(), 200);
    }
    held(&world, "acme", "unreachable").await;
    held(&world, "globex", "retry_after").await;
    world.acme.set_mode(Mode::Ok);
    world.globex.set_mode(Mode::Ok);

    let unreachable = json(&world.gateway, &["replay", "--tenant", "acme", "--state", "waiting"]);
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;
    let told = said(&events(&world.gateway, &["replay", "--tenant", "globex", "--state", "waiting"]));

    let hold = &unreachable["held"][0];
    assert_eq!((&unreachable["changed"], &hold["tenant"]), (&1.into(), &"acme".into()));
    assert_eq!((&hold["reason"], &hold["asked_now"]), (&"unreachable".into(), &true.into()));
    assert!(hold["until"].is_string(), "{unreachable}");
    assert!(told.starts_with("1 event changed\nglobex is held: retry_after until 2"), "{told}");
    assert!(!told.contains("tried now"), "the portal itself has asked for time: {told}");
    assert!(world.globex.deliveries().is_empty());
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_of_an_unheld_event_ignores_its_schedule() {
    let world = World::start(&stored().replace(r#"["20ms", "50ms", "150ms", "300ms"]"#, r#"["1h"]"#)).await;
    world.acme.set_mode(Mode::Status(500));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    let tried = async || {
        let list = json(&world.gateway, &["list", "--state", "waiting"]);
        (list["events"][0]["attempts"] == 1).then(|| list["events"][0]["uid"].as_str().unwrap().to_owned())
    };
    let uid = soon(tried).await;
    world.acme.set_mode(Mode::Ok);

    let replayed = json(&world.gateway, &["replay", "--uid", &uid]);
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;

    assert_eq!((&replayed["changed"], &replayed["held"]), (&1.into(), &serde_json::json!([])));
    world.gateway.stop().await;
}
