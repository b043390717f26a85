//! The audit records of the commands, and what a removal says about unfinished work.

use kyc_sandbox::portal::Mode;
use serde_json::{Value, json};

use crate::notifications::durable::{event, stored};
use crate::operations::audit::records;
use crate::operations::operate::{said, wait_for};
use crate::support::world::World;
use crate::tenants::setup::office::{Office, bare, json_of, run, with};

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
    assert!(said(&rotated).contains("Audit record: 5 in /"), "{}", said(&rotated));
    assert!(!said(&unrecorded).contains("Audit record"), "{}", said(&unrecorded));
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

/// Nothing said that the results of a removed tenant's open checks do not arrive.
#[tokio::test(flavor = "multi_thread")]
async fn removal_tells_what_is_unfinished_before_it_begins() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(500));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    wait_for(&world.gateway, "acme", "waiting").await;
    let remove = |more: &[&str]| {
        let mut remove = with(bare("remove", "acme"), &["--keep-webhook"]);
        remove.arg("--config").arg(world.gateway.folder().join("gateway.toml"));
        run(with(remove, more))
    };

    let planned = remove(&["--dry-run"]).await;
    let unconfirmed = remove(&[]).await;
    let removed = remove(&["--yes", "--json", "--reason", "the contract ended"]).await;

    assert!(said(&planned).contains("\nwaiting events: 1 (they stay in the store"), "{}", said(&planned));
    assert_eq!(unconfirmed.status.code(), Some(2), "{}", said(&unconfirmed));
    assert!(said(&unconfirmed).contains("open checks: 0 (their results do not"), "{}", said(&unconfirmed));
    let counts = json!({ "open_checks": 0, "waiting_events": 1, "parked_events": 0 });
    assert_eq!(json_of(&removed)["unfinished"], counts);
    let store = json_of(&removed)["audit_record"]["in"].as_str().unwrap().to_owned();
    assert!(store.starts_with("the event store /"), "{store}");
    assert!(String::from_utf8_lossy(&removed.stderr).contains("waiting events: 1"), "{}", said(&removed));
    let found = records(&world.gateway, "?operation=tenants.remove").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((&found[0]["outcome"], &found[0]["begun"]), (&json!("done"), &found[1]["seq"]));
    assert_eq!(found[1]["reason"], "the contract ended");
    assert_eq!(found[1]["filter"], json!({ "tenant": "acme", "keep_webhook": true }));
    world.gateway.stop().await;
}

/// A change that cannot be recorded is not made; the gateway creates the event store, or the file.
#[tokio::test(flavor = "multi_thread")]
async fn change_without_the_gateways_audit_log_needs_consent() {
    let office = Office::open(&["acme".to_owned()]).await;
    // A machine that has only the configuration: a record there would be in no log that anybody reads.
    std::fs::remove_dir_all(office.path("data")).unwrap();
    let without_file = run(office.add("acme")).await;
    let config = std::fs::read_to_string(office.path("gateway.toml")).unwrap();
    std::fs::write(office.path("gateway.toml"), config.replace("\"direct\"", "\"stored\"")).unwrap();

    let refused = run(office.add("acme")).await;
    let webhooks = office.webhooks("acme").await;
    let consented = run(with(office.add("acme"), &["--unrecorded"])).await;

    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    assert!(said(&refused).contains("there is no event store at "), "{}", said(&refused));
    assert_eq!(without_file.status.code(), Some(5), "{}", said(&without_file));
    assert!(
        said(&without_file).contains("data/audit.jsonl: there is no audit file"),
        "{}",
        said(&without_file)
    );
    for refused in [&refused, &without_file] {
        assert!(said(refused).contains("after its first start, or give --unrecorded"), "{}", said(refused));
    }
    assert_eq!(webhooks, Vec::<Value>::new());
    assert!(consented.status.success(), "{}", said(&consented));
    assert!(!office.path("data").exists(), "the command creates no log");
}
