//! Stores of an older release (`fixtures/README.md`), and one of a newer release.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kyc_harness::postgres::Postgres;

use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::notifications::shared::config;
use crate::operations::audit::chain::by_gateway;
use crate::operations::audit::{records, sql};
use crate::operations::operate::json;
use crate::support::gateway::{binary, wait_for_end};
use crate::support::soon;
use crate::support::world::World;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/notifications/fixtures").join(name)
}

/// Copies the file, with times as if its gateway had just stopped, so that retention deletes nothing. Returns the configuration.
fn older_file(folder: &Path) -> String {
    let store = folder.join("events.db");
    for name in ["events.db", "events.db.key"] {
        std::fs::copy(fixture(name), folder.join(name)).unwrap();
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let by = "(SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000 - at_ms FROM alive)";
    let script = format!(
        "UPDATE event SET due_ms = due_ms + {by}, received_ms = received_ms + {by}, since_ms = since_ms + {by}, \
         done_ms = done_ms + {by}; UPDATE attempt SET at_ms = at_ms + {by}; UPDATE alive SET at_ms = at_ms + {by};"
    );
    sql(&store, &script);
    stored().replace("\"store/events.db\"", &format!("{store:?}"))
}

/// Loads the same events into a database.
fn older_database(server: &Postgres, folder: &Path) -> String {
    server.load(&fixture("events.sql")).unwrap();
    let moved = "UPDATE event SET due = due + by, received = received + by, since = since + by, done = done + by \
                 FROM (SELECT now() - max(at) AS by FROM attempt) AS gap; \
                 UPDATE attempt SET at = at + by FROM (SELECT now() - max(at) AS by FROM attempt) AS gap;";
    server.query(moved).unwrap();
    config(server, folder)
}

/// Asserts that waiting events are delivered, dead ones after a replay, and delivered ones not again.
async fn goes_on(config: &str) {
    let world = World::start(config).await;
    let dead = json(&world.gateway, &["list", "--tenant", "acme", "--state", "dead"]);
    let waited: BTreeSet<String> = [3, 4].map(event).into();
    wait_for_all(&world.acme, &waited).await;
    wait_for_all(&world.globex, &waited).await;
    let again = world.notify("acme", &event(1)).await.status();
    let replayed = json(&world.gateway, &["replay", "--tenant", "acme", "--state", "dead"]);
    wait_for_all(&world.acme, &BTreeSet::from([event(2)])).await;
    let rest = || {
        let lists =
            ["waiting", "dead", "parked"].map(|state| json(&world.gateway, &["list", "--state", state]));
        lists.iter().map(|list| list["events"].as_array().unwrap().len()).sum::<usize>()
    };
    soon(async || (rest() == 0).then_some(())).await;

    let dead = dead["events"].as_array().unwrap();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!((&dead[0]["resource"], &dead[0]["reason"]), (&"r-2".into(), &"rejected".into()));
    assert_eq!((again.as_u16(), &replayed["changed"]), (200, &1.into()));
    // Each event was delivered once, except those that were delivered before.
    assert_eq!(taken(&world.acme), BTreeMap::from([2, 3, 4].map(|number| (event(number), 1))));
    assert_eq!(taken(&world.globex), BTreeMap::from([3, 4].map(|number| (event(number), 1))));
    let metrics = world.gateway.metrics().await;
    let duplicate = r#"kyc_gateway_webhook_events_total{result="duplicate",tenant="acme"} 1"#;
    assert!(metrics.contains(duplicate), "{metrics}");
    let delivered = json(&world.gateway, &["list", "--tenant", "acme", "--state", "delivered"]);
    let delivered = delivered["events"].as_array().unwrap();
    assert_eq!(delivered.len(), 4, "{delivered:?}");
    let first = delivered.iter().find(|event| event["resource"] == "r-1").unwrap();
    assert_eq!(first["attempts"], 1);
    let reasons: Vec<String> = records(&world.gateway, "")
        .await
        .iter()
        .map(|record| record["reason"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(reasons[2..], ["once more", "once more", "before the upgrade", "before the upgrade"]);
    let (is_whole, verdict) = by_gateway(&world.gateway, &[]);
    assert!(is_whole && verdict.starts_with("6 records, chain whole"), "{verdict}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_of_an_older_release_is_opened_and_its_events_are_delivered() {
    let folder = tempfile::tempdir().unwrap();

    goes_on(&older_file(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_store_of_an_older_release_is_opened_and_its_events_are_delivered() {
    let (server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());

    goes_on(&older_database(&server, folder.path())).await;
}

/// Starts a gateway on a store, raises the store's version with `raise`, and returns the output of the next start.
async fn refusal(config: &str, raise: impl FnOnce()) -> (Option<i32>, String) {
    let world = World::start(config).await;
    world.gateway.signal("-TERM");
    wait_for_end(world.gateway.pid()).await;
    raise();
    let refused = Command::new(binary("kyc-gateway"))
        .args(["run", "--config"])
        .arg(world.gateway.folder().join("gateway.toml"))
        .output()
        .unwrap();
    (refused.status.code(), String::from_utf8(refused.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn store_of_a_newer_release_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (file, server) = (folder.path().join("events.db"), Postgres::start().unwrap());

    let of_file = refusal(&older_file(folder.path()), || sql(&file, "PRAGMA user_version = 99")).await;
    let raise = || drop(server.query("INSERT INTO event_version VALUES (99)").unwrap());
    let of_database = refusal(&config(&server, folder.path()), raise).await;

    for ((code, said), store) in [(of_file, "events.db"), (of_database, "the database")] {
        println!("{said}");
        assert_eq!(code, Some(5), "{said}");
        assert!(
            said.contains(&format!("{store} has schema version 99, this release supports up to ")),
            "{said}"
        );
    }
    // Nothing was changed.
    assert_eq!(server.query("SELECT max(version) FROM event_version").unwrap().trim(), "99");
}
