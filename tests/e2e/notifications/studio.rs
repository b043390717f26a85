//! A workflow run of Onfido Studio from its start to its result.

use kyc_sandbox::portal::Portal;
use kyc_sandbox::signature::sign;
use serde_json::{Value, json};

use crate::notifications::durable::stored;
use crate::notifications::kinds::{SAMPLE, SIGNATURE, TOKEN};
use crate::notifications::reconciled::call;
use crate::support::soon;
use crate::support::world::{OTHER_ACTION, World, with};

/// What a portal took: the action, and the event.
fn taken(portal: &Portal) -> Vec<(String, Value)> {
    portal.deliveries().inspect(|taken| {
        let parse = |event: &[u8]| serde_json::from_slice(event).unwrap();
        taken.iter().map(|delivery| (delivery.action.clone(), parse(&delivery.event))).collect()
    })
}

async fn start_run(world: &World, tenant: &str) -> String {
    let applicant = call(world, tenant, "applicants", &json!({"first_name": "A", "last_name": "B"})).await;
    let run = json!({"applicant_id": applicant["id"], "workflow_id": "w"});
    call(world, tenant, "workflow_runs", &run).await["id"].as_str().unwrap().to_owned()
}

/// The run is started through the gateway, its task is notified by the sample of Onfido's official clients, and its result goes to
/// an action of its own, with the run.
#[tokio::test(flavor = "multi_thread")]
async fn workflow_run_is_noted_its_task_and_its_result_are_delivered_and_it_is_settled() {
    let events = json!({"workflow_run.completed": OTHER_ACTION, "workflow_task.*": "FTOS_Onfido_WebHook"});
    let world = World::start_with(&stored(), |mut entry| {
        if entry["Name"] != "acme" {
            return entry;
        }
        entry["events"] = events.clone();
        entry["enrich"] = json!("true");
        with(entry, "webhookToken", TOKEN)
    })
    .await;
    let metric = async |line: &str| {
        let has = async || world.gateway.metrics().await.contains(line).then_some(());
        soon(has).await;
    };

    let run = start_run(&world, "acme").await;
    metric("kyc_gateway_ledger_open{tenant=\"acme\"} 1\n").await;
    assert_eq!(world.post("acme", SAMPLE, SIGNATURE).await.status(), 200);
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    let result = json!({"payload": {"resource_type": "workflow_run", "action": "workflow_run.completed",
        "object": {"id": run, "status": "approved"}}})
    .to_string();
    let signature = sign(TOKEN, result.as_bytes());
    assert_eq!(world.post("acme", result.as_bytes(), &signature).await.status(), 200);
    world.acme.deliveries().wait_for_count(2).await.unwrap();

    metric("kyc_gateway_ledger_settled_total{by=\"notification\",tenant=\"acme\"} 1\n").await;
    let taken = taken(&world.acme);
    let (task, sent) = (&taken[0], serde_json::from_slice::<Value>(SAMPLE).unwrap());
    assert_eq!((task.0.as_str(), &task.1), ("FTOS_Onfido_WebHook", &sent));
    let (action, event) = (&taken[1].0, &taken[1].1);
    assert_eq!((action.as_str(), &event["payload"]["object"]["id"]), (OTHER_ACTION, &json!(run)));
    let enrichment = &event["enrichment"];
    assert_eq!((&enrichment["status"], &enrichment["resource"]["id"]), (&json!("found"), &json!(run)));
    assert_eq!(enrichment["resource"].get("sdk_token"), None);
    let log = world.gateway.stop().await;
    assert!(!log.contains("its result will be dropped"), "{log}");
}

/// `check` cannot warn of it: nothing in the document says that this tenant uses Studio.
#[tokio::test(flavor = "multi_thread")]
async fn start_of_a_run_whose_result_is_dropped_is_logged_once() {
    let world = World::start(&stored()).await;

    for _ in 0..2 {
        start_run(&world, "globex").await;
    }

    let log = world.gateway.stop().await;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("its result will be dropped")).collect();
    assert!(lines.len() == 1 && lines[0].contains("globex"), "{lines:?}");
}
