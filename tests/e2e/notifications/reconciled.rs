//! Results that were never notified: found at Onfido, and delivered once.

use std::collections::BTreeSet;

use http::Method;
use kyc_harness::postgres::Postgres;
use kyc_sandbox::portal::{Delivery, Portal};
use serde_json::{Value, json};

use crate::notifications::durable::stored;
use crate::notifications::{clock, shared};
use crate::support::soon;
use crate::support::world::{OTHER_ACTION, World, with};

/// Results are overdue after a second. No webhook is registered at the simulated Onfido, so that it notifies nothing.
const OVERDUE: &str = "reconciliation.overdue = \"1s\"\n";

/// Calls an operation through the gateway as the tenant, and returns the response.
pub(super) async fn call(world: &World, tenant: &str, path: &str, body: &Value) -> Value {
    let request = reqwest::Client::new()
        .post(world.gateway.url(&format!("/dcs/kyc2/{path}")))
        .header("SubscriptionId", format!("sub-{tenant}"))
        .json(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 201, "{path}");
    response.json().await.unwrap()
}

/// Starts a check with these reports, and returns it.
pub(crate) async fn start_check(world: &World, tenant: &str, reports: &[&str]) -> Value {
    let applicant = call(world, tenant, "applicants", &json!({"first_name": "A", "last_name": "B"})).await;
    let check = json!({"applicant_id": applicant["id"], "report_names": reports});
    call(world, tenant, "checks", &check).await
}

fn ids(check: &Value) -> BTreeSet<String> {
    check["report_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Waits for this number of deliveries, and returns the ids of their objects.
async fn delivered(portal: &Portal, count: usize) -> Vec<String> {
    portal.deliveries().wait_for_count(count).await.unwrap();
    portal.deliveries().inspect(|taken| taken.iter().map(|delivery| id(&event(delivery))).collect())
}

fn event(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.event).unwrap()
}

fn id(event: &Value) -> String {
    event["payload"]["object"]["id"].as_str().unwrap().to_owned()
}

/// The number of look-ups of checks that Onfido has got.
fn lookups(world: &World) -> usize {
    let is_lookup = |request: &&kyc_sandbox::onfido::Request| {
        request.method == Method::GET && request.path.starts_with("/v3.6/checks/")
    };
    world.onfido.requests().inspect(|requests| requests.iter().filter(is_lookup).count())
}

async fn wait_for_metric(world: &World, line: &str) {
    soon(async || world.gateway.metrics().await.contains(line).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn result_that_is_never_notified_is_delivered_once() {
    let world = World::start(&format!("{OVERDUE}{}", stored())).await;

    let check = start_check(&world, "acme", &["document", "facial_similarity_photo"]).await;
    let found = delivered(&world.acme, 2).await;

    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), ids(&check));
    world.acme.deliveries().inspect(|taken| {
        for delivery in taken {
            let (event, headers) = (event(delivery), &delivery.headers);
            assert_eq!(headers["x-event-source"], "reconciliation");
            assert_eq!(event["payload"]["action"], "report.completed");
            assert_eq!(event["payload"]["object"]["status"], "complete");
            let href = event["payload"]["object"]["href"].as_str().unwrap();
            assert!(href.ends_with(&format!("/v3.6/reports/{}", id(&event))), "{href}");
        }
    });
    wait_for_metric(&world, r#"kyc_gateway_reconciliation_lookups_total{result="found",tenant="acme"} 1"#)
        .await;
    assert_eq!(lookups(&world), 1, "a settled check is not looked up again");
    let log = world.gateway.stop().await;
    assert!(log.contains("a result was not notified in time"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_notification_of_a_found_result_is_a_duplicate() {
    let world = World::start(&format!("{OVERDUE}{}", stored())).await;
    let check = start_check(&world, "acme", &["document"]).await;
    let report = delivered(&world.acme, 1).await.remove(0);

    let late = json!({"payload": {"resource_type": "report", "action": "report.completed", "object": {
        "id": report, "status": "complete", "completed_at_iso8601": "2026-01-01T00:00:00Z",
        "href": format!("https://api.eu.onfido.com/v3.6/reports/{report}"),
    }}});
    let status = world.notify("acme", &late.to_string()).await.status();

    assert_eq!((status.as_u16(), BTreeSet::from([report])), (200, ids(&check)));
    wait_for_metric(&world, r#"kyc_gateway_webhook_events_total{result="duplicate",tenant="acme"} 1"#).await;
    assert_eq!(world.acme.deliveries().len(), 1);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notified_result_is_not_looked_up() {
    let world = World::start(&format!("{OVERDUE}{}", stored())).await;
    let check = start_check(&world, "acme", &["document"]).await;
    for report in ids(&check) {
        let event = json!({"payload": {"resource_type": "report", "action": "report.completed", "object": {"id": report}}});
        assert_eq!(world.notify("acme", &event.to_string()).await.status(), 200);
    }

    // Another check that is looked up shows that the first one would have been.
    let other = start_check(&world, "acme", &["document"]).await;
    let taken = delivered(&world.acme, 2).await;

    assert_eq!(lookups(&world), 1);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), &ids(&check) | &ids(&other));
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workflow_run_is_found_for_a_tenant_that_takes_its_kind() {
    let config = format!("{OVERDUE}{}", stored());
    let events = json!({"workflow_run.completed": OTHER_ACTION}).to_string();
    let world = World::start_with(&config, |entry| with(entry, "events", &events)).await;

    let applicant = call(&world, "acme", "applicants", &json!({"first_name": "A", "last_name": "B"})).await;
    let run = json!({"applicant_id": applicant["id"], "workflow_id": "w"});
    let run = call(&world, "acme", "workflow_runs", &run).await;
    let found = delivered(&world.acme, 1).await;

    assert_eq!(json!(found), json!([run["id"]]));
    world.acme.deliveries().inspect(|taken| {
        let event = event(&taken[0]);
        assert_eq!(taken[0].action, OTHER_ACTION);
        assert_eq!(event["payload"]["object"]["status"], "approved");
        assert_eq!(event["payload"]["resource"]["output"], json!({"decision": "clear"}));
        assert_eq!(event["payload"]["resource"].get("sdk_token"), None);
    });
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_that_will_have_no_result_has_a_named_end() {
    let world = World::start(&format!("{OVERDUE}{}", stored())).await;
    let withdrawn = start_check(&world, "acme", &["document"]).await;

    world.onfido.change_check("acme", withdrawn["id"].as_str().unwrap(), &json!({"status": "withdrawn"}));
    // Completed after 50 ms, as all checks of the simulated Onfido: it must not be withdrawn before.
    let is_complete = async || {
        world.onfido.change_check("acme", withdrawn["id"].as_str().unwrap(), &json!({"status": "withdrawn"}));
        let metrics = world.gateway.metrics().await;
        let line = r#"kyc_gateway_reconciliation_lookups_total{result="withdrawn",tenant="acme"} 1"#;
        metrics.contains(line).then_some(())
    };
    soon(is_complete).await;

    assert_eq!(world.acme.deliveries().len(), 0);
    world.gateway.stop().await;
}

/// One 404 may be a replica that does not have the check yet, and a wrong token is answered 404 for all checks.
#[tokio::test(flavor = "multi_thread")]
async fn check_that_onfido_does_not_have_ends_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let (world, clock) = clock::world(folder.path(), &format!("{OVERDUE}{}", stored())).await;
    let deleted = start_check(&world, "globex", &["document"]).await;
    world.onfido.remove_check("globex", deleted["id"].as_str().unwrap());
    let line = |result: &str| {
        format!(r#"kyc_gateway_reconciliation_lookups_total{{result="{result}",tenant="globex"}}"#)
    };

    wait_for_metric(&world, &format!("{} 3", line("not_found"))).await;
    let is_deleted = world.gateway.metrics().await.contains(&line("deleted"));
    std::fs::write(&clock, "+90000").unwrap();
    wait_for_metric(&world, &format!("{} 1", line("deleted"))).await;

    assert!(!is_deleted, "it was deleted on its first day");
    assert_eq!(world.globex.deliveries().len(), 0);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_database_look_each_check_up_once() {
    let (server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let config =
        format!("{OVERDUE}reconciliation.calls_per_minute = 400\n{}", shared::config(&server, folder.path()));
    let world = World::start(&config).await;
    let twin = world.gateway.twin().await;

    let mut reports = BTreeSet::new();
    for _ in 0..10 {
        reports.extend(ids(&start_check(&world, "acme", &["document"]).await));
    }
    let found = delivered(&world.acme, reports.len()).await;

    assert_eq!(found.len(), reports.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), reports);
    assert_eq!(lookups(&world), reports.len());
    world.gateway.stop().await;
    twin.stop().await;
}

/// The default is 40 calls in a minute; a check takes two.
#[tokio::test(flavor = "multi_thread")]
async fn lookups_keep_to_their_budget_and_the_oldest_come_first() {
    let config = format!("{OVERDUE}reconciliation.calls_per_minute = 20\n{}", stored());
    let world = World::start(&config).await;
    let mut reports = Vec::new();
    for _ in 0..6 {
        reports.extend(ids(&start_check(&world, "acme", &["document"]).await));
    }

    // The budget holds two calls, and gets one more in three seconds.
    let found = delivered(&world.acme, 2).await;

    assert_eq!(found, reports[..2]);
    assert!(lookups(&world) <= 3, "{}", lookups(&world));
    world.gateway.stop().await;
}

/// A database that does not answer: here a table that another session has locked.
#[tokio::test(flavor = "multi_thread")]
async fn store_that_does_not_answer_fails_no_call_and_gets_the_note_later() {
    let (server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let world = World::start(&format!("{OVERDUE}{}", shared::config(&server, folder.path()))).await;
    let server = std::sync::Arc::new(server);
    let holder = std::sync::Arc::clone(&server);
    let held = std::thread::spawn(move || {
        holder.query("BEGIN; LOCK TABLE started IN EXCLUSIVE MODE; SELECT pg_sleep(600); COMMIT")
    });
    let locked = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
                  WHERE relname = 'started' AND mode = 'ExclusiveLock' AND granted";
    soon(async || (server.query(locked).unwrap().trim() == "1").then_some(())).await;

    let check = start_check(&world, "acme", &["document"]).await;
    wait_for_metric(&world, "kyc_gateway_ledger_unwritten_entries 1").await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
    server.query(end).unwrap();
    let found = delivered(&world.acme, 1).await;

    assert!(held.join().unwrap().is_err(), "the lock was held until the end");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), ids(&check));
    wait_for_metric(&world, "kyc_gateway_ledger_unwritten_entries 0").await;
    world.gateway.stop().await;
}
