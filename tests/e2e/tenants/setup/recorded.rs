//! The audit records of the commands.

use serde_json::{Value, json};

use crate::notifications::durable::stored;
use crate::operations::audit::records;
use crate::operations::operate::said;
use crate::support::world::World;
use crate::tenants::setup::office::{Office, bare, run, with};

/// The records of a gateway that stores no events are in its file.
#[tokio::test(flavor = "multi_thread")]
async fn changes_are_recorded_without_secrets_and_dry_runs_are_not() {
    let office = Office::open(&["acme".to_owned()]).await;
    let next = office.path("next");
    office.onfido.add_token("acme", "api_live.acme.second");
    std::fs::write(&next, "api_live.acme.second").unwrap();
    let rotate = || with(office.command("rotate", "acme"), &["--api-token-file", next.to_str().unwrap()]);

    let planned = run(with(office.add("acme"), &["--dry-run"])).await;
    office.portal.set_password("acme", "another");
    let failed = run(office.add("acme")).await;
    office.portal.set_password("acme", "password-acme");
    let pasted = run(with(office.add("acme"), &["--reason", "for password-acme"])).await;
    office.added("acme").await;
    let pasted_token = run(with(rotate(), &["--reason", "was api_live.acme.second"])).await;
    let rotated = run(with(rotate(), &["--any-account", "--reason", "ticket 7"])).await;
    let unrecorded = run(with(office.command("remove", "acme"), &["--yes", "--unrecorded"])).await;

    for done in [&planned, &rotated, &unrecorded] {
        assert!(done.status.success(), "{}", said(done));
    }
    assert_eq!(failed.status.code(), Some(4), "{}", said(&failed));
    for refused in [&pasted, &pasted_token] {
        assert_eq!(refused.status.code(), Some(2), "{}", said(refused));
        assert!(
            said(refused).contains("--reason contains a secret; nothing was changed"),
            "{}",
            said(refused)
        );
    }
    let text = std::fs::read_to_string(office.path("data/audit.jsonl")).unwrap();
    let found: Vec<Value> = text.lines().map(record).collect();
    let column = |record: &Value| ["operation", "outcome", "reason"].map(|member| record[member].clone());
    let add = |outcome: &str| [json!("tenants.add"), json!(outcome), json!("kyc-gateway tenants add")];
    let rotate = |outcome: &str| [json!("tenants.rotate"), json!(outcome), json!("ticket 7")];
    let expected = [add("begun"), add("failed"), add("begun"), add("done"), rotate("begun"), rotate("done")];
    assert_eq!(found.iter().map(column).collect::<Vec<_>>(), expected);
    assert_eq!(found[0]["filter"], json!({ "tenant": "acme" }));
    assert_eq!(found[4]["filter"], json!({ "tenant": "acme", "any_account": true }));
    let user = format!("uid {}", String::from_utf8(run(id()).await.stdout).unwrap().trim());
    assert!(found.iter().all(|record| record["operator"] == user.as_str()), "{text}");
    for secret in ["api_live.acme", "password-acme", "sub-acme"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

fn id() -> std::process::Command {
    let mut id = std::process::Command::new("id");
    id.arg("-u");
    id
}

fn record(line: &str) -> Value {
    let line: Value = serde_json::from_str(line).unwrap();
    serde_json::from_str(line["record"].as_str().unwrap()).unwrap()
}

/// The records of a gateway that stores events are in its store.
#[tokio::test(flavor = "multi_thread")]
async fn removal_is_recorded_in_the_event_store() {
    let world = World::start(&stored()).await;
    let remove = |more: &[&str]| {
        let mut remove = with(bare("remove", "acme"), &["--keep-webhook"]);
        remove.arg("--config").arg(world.gateway.folder().join("gateway.toml"));
        run(with(remove, more))
    };

    let removed = remove(&["--yes", "--reason", "the contract ended"]).await;

    assert!(removed.status.success(), "{}", said(&removed));
    let found = records(&world.gateway, "?operation=tenants.remove").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((&found[0]["outcome"], &found[0]["begun"]), (&json!("done"), &found[1]["seq"]));
    assert_eq!(found[1]["reason"], "the contract ended");
    assert_eq!(found[1]["filter"], json!({ "tenant": "acme", "keep_webhook": true }));
    world.gateway.stop().await;
}

/// A change that cannot be recorded is not made; the gateway creates the event store.
#[tokio::test(flavor = "multi_thread")]
async fn change_without_an_event_store_needs_consent() {
    let office = Office::open(&["acme".to_owned()]).await;
    let config = std::fs::read_to_string(office.path("gateway.toml")).unwrap();
    std::fs::write(office.path("gateway.toml"), config.replace("\"direct\"", "\"stored\"")).unwrap();

    let refused = run(office.add("acme")).await;
    let webhooks = office.webhooks("acme").await;
    let consented = run(with(office.add("acme"), &["--unrecorded"])).await;

    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    assert!(said(&refused).contains("there is no event store at "), "{}", said(&refused));
    assert!(said(&refused).contains("or give --unrecorded"), "{}", said(&refused));
    assert_eq!(webhooks, Vec::<Value>::new());
    assert!(consented.status.success(), "{}", said(&consented));
    assert!(!office.path("data").exists(), "the command creates no store");
}
