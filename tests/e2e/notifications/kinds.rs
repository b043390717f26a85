//! Which kinds of notifications go to which endpoint of a portal.

use kyc_sandbox::portal::{Dialect, Mode, Portal};
use serde_json::{Value, json};

use crate::notifications::durable::stored;
use crate::support::gateway::tenant;
use crate::support::soon;
use crate::support::world::{OTHER_ACTION, World, with};

/// The sample of Onfido's official client libraries, with their token and signature.
pub(super) const SAMPLE: &[u8] = include_bytes!("../../../plugins/webhook/tests/data/object.json");
pub(super) const TOKEN: &str = "YKOC6mkBxi6yK2zlUIrLMvsJMFEZObP5";
pub(super) const SIGNATURE: &str = "e3e5565647f5ccf07b2fd8ac22eab94a0a0619413d981fb768295c820523f7d7";

fn notification(kind: &str, id: &str) -> String {
    let resource_type = kind.split('.').next().unwrap();
    json!({"payload": {"resource_type": resource_type, "action": kind, "object": {"id": id}}}).to_string()
}

/// The actions at which a portal took its events, with the events.
fn taken(portal: &Portal) -> Vec<(String, Vec<u8>)> {
    portal.deliveries().inspect(|taken| {
        taken.iter().map(|delivery| (delivery.action.clone(), delivery.event.to_vec())).collect()
    })
}

fn mapped(mut entry: Value, events: Value) -> Value {
    entry["events"] = events;
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn official_sample_of_a_workflow_goes_to_its_own_action_in_both_dialects() {
    let events = json!({"report.completed": "FTOS_Onfido_WebHook", "workflow_task.*": OTHER_ACTION});
    // A string, as all values of the document are, for one tenant; native for the other.
    let world = World::start_with(&stored(), |entry| {
        let is_acme = entry["Name"] == "acme";
        let events = if is_acme { json!(events.to_string()) } else { events.clone() };
        with(mapped(entry, events), "webhookToken", TOKEN)
    })
    .await;

    for name in ["acme", "globex"] {
        assert_eq!(world.post(name, SAMPLE, SIGNATURE).await.status(), 200, "{name}");
    }
    let portals = [(&world.acme, Dialect::Legacy), (&world.globex, Dialect::Keycloak)];
    for (portal, dialect) in portals {
        portal.deliveries().wait_for_count(1).await.unwrap();

        portal.deliveries().inspect(|taken| assert_eq!(taken[0].dialect, dialect));
        let event = taken(portal).remove(0);
        // The legacy dialect has the event within another document, where a line break at its end is not part of it.
        let sent: Value = serde_json::from_slice(SAMPLE).unwrap();
        let delivered: Value = serde_json::from_slice(&event.1).unwrap();
        assert_eq!((event.0.as_str(), delivered), (OTHER_ACTION, sent));
    }
    world.gateway.stop().await;
}

/// A tenant that had moved to Studio lost its results without a trace: they were answered 200 and ignored.
#[tokio::test(flavor = "multi_thread")]
async fn unmapped_kind_is_answered_200_counted_and_named() {
    let world = World::start_with(&stored(), |entry| {
        let is_acme = entry["Name"] == "acme";
        let events = json!({"workflow_run.completed": OTHER_ACTION, "check.started": null});
        if is_acme { mapped(entry, events) } else { entry }
    })
    .await;

    for (name, kind) in [
        ("acme", "report.completed"),
        ("acme", "check.started"),
        ("acme", "canary.invented"),
        ("acme", "canary.invented_too"),
        ("globex", "workflow_run.completed"),
        ("globex", "workflow_run.completed"),
    ] {
        assert_eq!(world.notify(name, &notification(kind, kind)).await.status(), 200, "{name} {kind}");
    }
    assert_eq!(world.notify("acme", &notification("workflow_run.completed", "run")).await.status(), 200);
    world.acme.deliveries().wait_for_count(1).await.unwrap();

    assert_eq!(taken(&world.acme)[0].0, OTHER_ACTION);
    let metrics = world.gateway.metrics().await;
    let dropped: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("kyc_gateway_webhook_events_dropped_total{"))
        .collect();
    assert_eq!(
        dropped,
        [
            r#"kyc_gateway_webhook_events_dropped_total{kind="other",tenant="acme"} 2"#,
            r#"kyc_gateway_webhook_events_dropped_total{kind="report.completed",tenant="acme"} 1"#,
            r#"kyc_gateway_webhook_events_dropped_total{kind="workflow_run.completed",tenant="globex"} 2"#,
        ]
    );
    let log = world.gateway.stop().await;
    let named: Vec<&str> =
        log.lines().filter(|line| line.contains("notifications of this kind are dropped")).collect();
    assert_eq!(named.len(), 3, "each kind of a tenant is named once: {named:?}");
    assert!(
        named.iter().any(|line| line.contains("workflow_run.completed") && line.contains("globex")),
        "{named:?}"
    );
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_event_goes_where_the_current_document_says() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(503));
    let body = notification("report.completed", "r-1");
    assert_eq!(world.notify("acme", &body).await.status(), 200);
    world.acme.calls().wait_for_count(2).await.unwrap();
    let change = async |events: Value| {
        let changes = || world.gateway.log().matches("tenants changed").count();
        let before = changes();
        let entry = mapped(tenant("acme", &world.acme.url()), events);
        world.gateway.write_tenants(world.onfido.address(), &[entry]);
        soon(async || (changes() > before).then_some(())).await;
        // An attempt that began with the former document may still be in flight; the one after it did not.
        let made = world.acme.calls().all().len();
        world.acme.calls().wait_for_count(made + 2).await.unwrap();
    };

    change(json!({"report.completed": OTHER_ACTION})).await;
    world.acme.set_mode(Mode::Ok);
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    // Accepted, and then no longer mapped: it goes to `ftosAction`, because a lost result is worse than one too many.
    world.acme.set_mode(Mode::Status(503));
    let other = notification("report.completed", "r-2");
    assert_eq!(world.notify("acme", &other).await.status(), 200);
    change(json!({"workflow_run.completed": OTHER_ACTION})).await;
    world.acme.set_mode(Mode::Ok);
    world.acme.deliveries().wait_for_count(2).await.unwrap();

    assert_eq!(
        taken(&world.acme),
        [
            (OTHER_ACTION.to_owned(), body.into_bytes()),
            ("FTOS_Onfido_WebHook".to_owned(), other.into_bytes())
        ]
    );
    world.gateway.stop().await;
}
