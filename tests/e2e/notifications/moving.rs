//! Export, backup and copy of an event store.

use std::process::{Command, Output};

use kyc_harness::postgres::Postgres;
use kyc_sandbox::portal::Mode;
use serde_json::{Value, json};

use crate::notifications::durable::{event, stored, wait_for_all};
use crate::operations::audit::{change, records};
use crate::support::gateway::{Gateway, Setup, binary, document, tenant};
use crate::support::soon;
use crate::support::world::World;

fn events(gateway: &Gateway, arguments: &[&str]) -> Output {
    let config = gateway.folder().join("gateway.toml");
    let (command, rest) = arguments.split_first().unwrap();
    Command::new(binary("kyc-gateway"))
        .args(["events", command, "--config"])
        .arg(config)
        .args(rest)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn export_has_bodies_and_responses_and_needs_the_key() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(422));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    assert_eq!(world.notify("globex", &event(2)).await.status(), 200);
    world.acme.calls().wait_for_count(6).await.unwrap();
    world.globex.deliveries().wait_for_count(1).await.unwrap();

    // While the gateway runs, after it has recorded the fifth refusal.
    let mut lines: Vec<Value> = Vec::new();
    for _ in 0..2000 {
        let exported = events(&world.gateway, &["export", "--tenant", "acme", "--reason", "ticket 7"]);
        assert!(exported.status.success(), "{}", text(&exported.stderr));
        lines = text(&exported.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if lines[0]["state"] == "dead" {
            break;
        }
        tokio::task::yield_now().await;
    }
    std::fs::rename(
        world.gateway.folder().join("store/events.db.key"),
        world.gateway.folder().join("store/kept"),
    )
    .unwrap();
    let without_key = events(&world.gateway, &["export", "--reason", "without a key"]);
    let without_reason = events(&world.gateway, &["export"]);
    let unprintable = events(&world.gateway, &["export", "--reason", "a\nb"]);

    assert_eq!((lines.len(), &lines[0]["body"]), (1, &json!(event(1))));
    let tries = lines[0]["tries"].as_array().unwrap();
    assert_eq!(tries.len(), 5);
    assert!(tries.iter().all(|one| one["status"] == 422 && one["answer"] == "portal-says: no"), "{tries:?}");
    assert_eq!((without_key.status.code(), text(&without_key.stdout).as_str()), (Some(5), ""));
    assert!(text(&without_key.stderr).contains("restore the key"), "{}", text(&without_key.stderr));
    for (refused, said) in [(without_reason, "--reason"), (unprintable, "cannot be printed")] {
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
        assert!(text(&refused.stderr).contains(said), "{refused:?}");
    }
    // The running gateway lists the audit records of the command.
    let audit = records(&world.gateway, "?operation=events.export").await;
    let outcomes = audit.iter().take(4).map(|record| record["outcome"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(outcomes, ["failed", "begun", "done", "begun"], "{audit:?}");
    let uid = text(&Command::new("id").arg("-u").output().unwrap().stdout).trim().to_owned();
    let done = &audit[2];
    assert_eq!(
        ["operator", "way", "role", "from", "reason"].map(|name| done[name].clone()),
        [&format!("uid {uid}"), "file", "file", &format!("file, uid {uid}"), "ticket 7"].map(Value::from)
    );
    assert_eq!((&done["filter"], &done["begun"]), (&json!({ "tenant": "acme" }), &audit[3]["seq"]));
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_is_copied_to_postgres_and_its_events_are_delivered() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(500));
    let bodies: std::collections::BTreeSet<String> = (0..20).map(event).collect();
    for body in &bodies {
        assert_eq!(world.notify("acme", body).await.status(), 200);
    }
    let folder = world.gateway.folder().to_owned();
    let kept = tempfile::tempdir().unwrap();
    let file = kept.path().join("events.db");
    let World { acme, gateway, .. } = world;
    let tenants = std::fs::read(folder.join("tenants.json")).unwrap();
    let store = folder.join("store");
    std::fs::copy(store.join("events.db.key"), kept.path().join("key")).unwrap();
    let server = Postgres::start().unwrap();
    std::fs::write(kept.path().join("url"), server.url()).unwrap();
    let settings = format!(
        "events.postgres_file = {:?}\nevents.key_file = {:?}\n",
        kept.path().join("url"),
        kept.path().join("key")
    );
    let moved = Setup::default().config(&stored().replace("events.path = \"store/events.db\"\n", &settings));
    let moved = moved.spawn().await;
    let live = store.join("events.db").to_string_lossy().into_owned();
    let while_running = events(&moved, &["copy", "--from", &live, "--reason", "to PostgreSQL"]);
    assert_eq!(change(&gateway, "/admin/reload", Some("before the move")).await, 200);
    // Stopping the gateway removes its folder.
    gateway.signal("-STOP");
    for name in ["events.db", "events.db-wal"] {
        std::fs::copy(store.join(name), kept.path().join(name)).unwrap();
    }
    drop(gateway);
    let from = file.to_string_lossy().into_owned();
    let copied = events(&moved, &["copy", "--from", &from, "--reason", "to PostgreSQL"]);
    let again = events(&moved, &["copy", "--from", &from, "--reason", "to PostgreSQL"]);
    std::fs::write(moved.folder().join("tenants.json"), tenants).unwrap();
    acme.set_mode(Mode::Ok);
    wait_for_all(&acme, &bodies).await;

    assert!(text(&while_running.stderr).contains("; stop it first"), "{}", text(&while_running.stderr));
    assert!(
        text(&copied.stdout).starts_with("20 events copied, 0 were already in the database"),
        "{copied:?}"
    );
    assert!(text(&again.stderr).contains("there is no event store at"), "{again:?}");
    assert!(!file.exists() && kept.path().join("events.db.copied").exists());
    // The audit chain continues.
    assert_eq!(change(&moved, "/admin/reload", Some("after the move")).await, 200);
    let audit = records(&moved, "").await;
    let reasons = audit.iter().map(|record| record["reason"].as_str().unwrap()).collect::<Vec<_>>();
    let expected = ["after the move", "to PostgreSQL", "before the move"];
    assert_eq!(reasons, expected.map(|reason| [reason; 2]).concat());
    assert_eq!((&audit[0]["seq"], &audit[2]["operation"]), (&6.into(), &"events.copy".into()));
    moved.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_key_can_come_from_the_tenant_document() {
    let quick = stored().replace("events.path", "events.key_document = \"EventStore-Key\"\nevents.path");
    let world = World::start(&quick).await;
    // The document has no such value yet.
    let before = world.notify("acme", &event(1)).await.status();
    let told = || world.gateway.log().contains("the tenant document has no EventStore-Key");
    soon(async || told().then_some(())).await;

    let entries = [tenant("acme", &world.acme.url())];
    let mut with_key = document(&format!("http://{}/v3.6", world.onfido.address()), &entries);
    with_key["EventStore-Key"] = json!("5e".repeat(32));
    std::fs::write(world.gateway.folder().join("tenants.json"), with_key.to_string()).unwrap();
    for _ in 0..4000 {
        if world.notify("acme", &event(1)).await.status() == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }

    assert_eq!(before, 503);
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    assert!(!world.gateway.folder().join("store/events.db.key").exists());
    let log = world.gateway.stop().await;
    assert!(log.contains("the event store has no key yet"), "{log}");
}

/// A copy of `events.db` by the instructions in the README lacked all 25 events, because they were in the write-ahead log.
#[tokio::test(flavor = "multi_thread")]
async fn backup_of_a_running_gateway_has_every_acknowledged_event() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(500));
    for number in 0..25 {
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
    }
    let kept = tempfile::tempdir().unwrap();
    let copy = kept.path().join("copy.db").to_string_lossy().into_owned();

    let saved = events(&world.gateway, &["backup", &copy]);
    let again = events(&world.gateway, &["backup", &copy]);
    let whole = events(&world.gateway, &["verify", &copy]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    let torn = kept.path().join("torn.db");
    let mut bytes = std::fs::read(&copy).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&torn, bytes).unwrap();
    let damaged = events(&world.gateway, &["verify", torn.to_str().unwrap()]);
    let folder = world.gateway.folder().to_owned();
    let World { acme, globex, gateway, onfido } = world;
    // The store is lost with its folder, except the key.
    gateway.signal("-STOP");
    for name in ["events.db", "events.db-wal", "events.db-shm"] {
        let _ = std::fs::remove_file(folder.join("store").join(name));
    }
    std::fs::copy(&copy, folder.join("store/events.db")).unwrap();
    gateway.signal("-KILL");
    acme.set_mode(Mode::Ok);
    let restored = gateway.twin().await;
    wait_for_all(&acme, &(0..25).map(event).collect()).await;

    assert!(saved.status.success(), "{}", text(&saved.stderr));
    assert!(text(&again.stderr).contains("File exists"), "{again:?}");
    assert_eq!(mode & 0o777, 0o600);
    assert!(text(&whole.stdout).contains("is whole: 25 waiting, 0 delivered, 0 dead, 0 parked"), "{whole:?}");
    assert!(!damaged.status.success(), "{damaged:?}");
    restored.stop().await;
    drop((globex, onfido));
}

/// After SIGTERM all events were still in the write-ahead log, so `events.db` alone had none.
#[tokio::test(flavor = "multi_thread")]
async fn clean_exit_leaves_one_store_file() {
    let kept = tempfile::tempdir().unwrap();
    let path = kept.path().join("events.db");
    let world = World::start(&stored().replace("\"store/events.db\"", &format!("{path:?}"))).await;
    world.acme.set_mode(Mode::Status(500));
    for number in 0..5 {
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
    }

    let log_before = std::fs::metadata(kept.path().join("events.db-wal")).unwrap().len();
    let World { gateway, .. } = world;
    gateway.stop().await;
    let log_after = std::fs::metadata(kept.path().join("events.db-wal")).map_or(0, |log| log.len());

    assert!(log_before > 0);
    assert_eq!(log_after, 0, "everything is in the file");
}
