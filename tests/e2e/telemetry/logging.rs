//! The logging keys of the tenant document, in a running gateway.

use kyc_sandbox::portal::Mode;
use serde_json::{Value, json};

use crate::support::gateway::{document, tenant};
use crate::support::soon;
use crate::support::world::{DIRECT, EVENT, World, routes};

/// Replaces the document atomically by one with these keys.
pub(crate) async fn set(world: &World, keys: Value) {
    let changes = async || {
        let metrics = world.gateway.metrics().await;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("kyc_gateway_tenant_polls_total{result=\"changed\"} "));
        line.map_or(0, |count| count.parse::<usize>().unwrap())
    };
    let seen = changes().await;
    let mut whole =
        document(&format!("http://{}/v3.6", world.onfido.address()), &[tenant("acme", &world.acme.url())]);
    whole.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let draft = world.gateway.folder().join("draft.json");
    std::fs::write(&draft, whole.to_string()).unwrap();
    std::fs::rename(draft, world.gateway.folder().join("tenants.json")).unwrap();
    soon(async || (changes().await > seen).then_some(())).await;
    // Longer than the gateway needs to apply the keys of a new document.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
}

async fn call(world: &World) {
    let answer = reqwest::Client::new()
        .get(world.gateway.url("/dcs/kyc2/applicants"))
        .header("SubscriptionId", "sub-acme")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

fn access_lines(log: &str) -> usize {
    log.lines().filter(|line| line.contains("\"target\":\"access\"")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn access_line_has_the_operation_and_the_callers_id_of_a_call() {
    let world = World::start("").await;
    let call = |path: &str, id: &str| {
        let url = world.gateway.url(path);
        reqwest::Client::new().get(url).header("SubscriptionId", "sub-acme").header("X-Request-Id", id).send()
    };

    for (path, id) in [
        ("/dcs/kyc2/applicants", "call-1"),
        ("/dcs/kyc2/nothing/like/that", "call-2"),
        ("/dcs/kyc2/checks", "Jane Doe"),
    ] {
        let _ = call(path, id).await.unwrap();
    }
    let lines = async || {
        let log = world.gateway.log();
        let lines = log.lines().filter(|line| line.contains("\"target\":\"access\""));
        let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.len() == 3).then_some(lines)
    };
    let lines = soon(lines).await;

    let found: Vec<_> = lines
        .iter()
        .map(|line| (line["operation"].as_str().unwrap(), line["caller_request_id"].as_str()))
        .collect();
    let expected = [("list_applicants", Some("call-1")), ("unlisted", Some("call-2")), ("list_checks", None)];
    assert_eq!(found, expected);
    assert!(lines.iter().all(|line| line["peer"].is_string() && line["listener"] == "main"), "{lines:?}");
    assert!(!world.gateway.log().contains("Jane Doe"));
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_keys_apply_without_a_restart_and_invalid_values_are_logged() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path().join("logs");
    let world = World::start(&format!("[log]\nfolder = {folder:?}\n{}", routes(DIRECT))).await;
    let name = folder.join("trace_roll_.log");
    let files = |more: Value| {
        let mut keys = json!({ "serilog-file-logging": "true", "serilog-fileName": name, "serilog-flushInterval": "1s" });
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        keys
    };
    let written = || -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&folder)
            .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        names.sort();
        names
    };

    set(&world, json!({ "serilog-logLevel": "Warning" })).await;
    let before = access_lines(&world.gateway.log());
    call(&world).await;
    world.acme.set_mode(Mode::Status(500));
    world.notify("acme", EVENT).await;
    set(&world, json!({ "serilog-logLevel": "Debug" })).await;
    call(&world).await;
    soon(async || (access_lines(&world.gateway.log()) > before).then_some(())).await;
    assert_eq!(access_lines(&world.gateway.log()), before + 1, "above Information requests have no line");
    assert!(world.gateway.log().contains("portal answered 500"), "and failures still have one");

    set(&world, files(json!({}))).await;
    call(&world).await;
    soon(async || (written().len() == 1).then_some(())).await;
    set(&world, files(json!({ "serilog-rollSizeBytes": "2000", "serilog-retainedFileCount": "3" }))).await;
    for _ in 0..40 {
        call(&world).await;
    }
    soon(async || (written().len() == 3 && written()[0].contains("_0")).then_some(())).await;
    let rolled = written();
    set(&world, json!({ "serilog-file-logging": "false" })).await;
    let size = || -> u64 { written().iter().map(|name| folder.join(name).metadata().unwrap().len()).sum() };
    let at_end = size();
    call(&world).await;
    std::fs::write(folder.join("no-folder"), "").unwrap();
    let nowhere = folder.join("no-folder/trace_.log");
    set(&world, json!({ "serilog-file-logging": "true", "serilog-fileName": nowhere })).await;
    let elsewhere = room.path().join("elsewhere_.log");
    set(&world, json!({ "serilog-file-logging": "true", "serilog-fileName": elsewhere })).await;
    set(&world, json!({ "serilog-logLevel": "loud", "serilog-file-logging": "perhaps" })).await;

    assert!(
        rolled.iter().all(|name| name.starts_with("trace_roll_20") && name.ends_with(".log")),
        "{rolled:?}"
    );
    assert_eq!(size(), at_end, "nothing is written any more");
    let log = world.gateway.stop().await;
    assert!(log.contains("cannot write log files: "), "{log}");
    assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 1, "no file is outside of the folder");
    for key in ["serilog-logLevel", "serilog-file-logging", "serilog-fileName"] {
        assert!(log.contains(&format!("\"key\":\"{key}\"")), "{log}");
    }
    assert!(!log.contains("loud") && !log.contains("perhaps"), "{log}");
}
