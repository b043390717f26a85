//! Results of the sandbox, and resources that go along, with checks that are started through the gateway.

use kyc_sandbox::portal::Portal;
use kyc_sandbox::signature::sign;
use serde_json::{Value, json};

use crate::notifications::durable::stored;
use crate::operations::operate::{json as listed, wait_for};
use crate::support::gateway::tenant;
use crate::support::world::World;

/// Starts a check, and returns the id of its report. The simulated Onfido says that every resource is of the sandbox.
pub(crate) async fn report(world: &World) -> String {
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| -> Value {
        let url = format!("{}/{path}", world.onfido.base_url());
        let request = client.post(url).header("Authorization", "Token token=token-acme").json(&body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let applicant = post("applicants", json!({"first_name": "A", "last_name": "B"})).await;
    let check = json!({"applicant_id": applicant["id"], "report_names": ["document"]});
    let check = post("checks", check).await;
    check["report_ids"][0].as_str().unwrap().to_owned()
}

pub(crate) fn notification(report: &str) -> String {
    json!({"payload": {"resource_type": "report", "action": "report.completed", "object": {"id": report}}})
        .to_string()
}

fn events(portal: &Portal) -> Vec<Value> {
    let parse = |event: &[u8]| serde_json::from_slice(event).unwrap();
    portal.deliveries().inspect(|taken| taken.iter().map(|delivery| parse(&delivery.event)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_result_never_reaches_a_production_portal() {
    let world = World::start_with(&stored(), |mut entry| {
        entry["environments"] = json!("live");
        entry
    })
    .await;
    let body = notification(&report(&world).await);

    assert_eq!(world.notify("acme", &body).await.status(), 200);
    let dead = wait_for(&world.gateway, "acme", "dead").await;
    let metrics = world.gateway.metrics().await;
    // An operator who says so gets it after all.
    let mut entry = tenant("acme", &world.acme.url());
    entry["environments"] = json!(["live", "sandbox"]);
    let before = world.acme.deliveries().inspect(<[_]>::len);
    world.gateway.write_tenants(world.onfido.address(), &[entry]);
    crate::support::soon(async || (world.gateway.log().matches("tenants changed").count() > 1).then_some(()))
        .await;
    listed(&world.gateway, &["replay", "--tenant", "acme", "--state", "dead"]);
    world.acme.deliveries().wait_for_count(1).await.unwrap();

    assert_eq!((dead["reason"].as_str(), before), (Some("environment"), 0));
    let line = r#"kyc_gateway_delivery_withheld_total{environment="sandbox",tenant="acme"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    assert_eq!(events(&world.acme), [serde_json::from_str::<Value>(&body).unwrap()]);
    let log = world.gateway.stop().await;
    assert!(log.contains("event withheld because of its environment"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn report_goes_along_in_both_dialects_and_its_absence_loses_nothing() {
    let world = World::start_with(&stored(), |mut entry| {
        entry["enrich"] = json!("true");
        entry
    })
    .await;
    let id = report(&world).await;
    let body = notification(&id);

    // The report is one of acme's account; globex' account has none of that id.
    for name in ["acme", "globex"] {
        let signature = sign(&format!("sign-{name}"), body.as_bytes());
        assert_eq!(world.post(name, body.as_bytes(), &signature).await.status(), 200, "{name}");
    }
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    world.globex.deliveries().wait_for_count(1).await.unwrap();

    let (acme, globex) = (&events(&world.acme)[0], &events(&world.globex)[0]);
    assert_eq!(
        (&acme["enrichment"]["status"], &acme["enrichment"]["resource"]["id"]),
        (&json!("found"), &json!(id))
    );
    assert_eq!(globex["enrichment"], json!({"status": "not_found", "resource_type": "report"}));
    assert_eq!(acme["payload"], globex["payload"]);
    world.gateway.stop().await;
}
