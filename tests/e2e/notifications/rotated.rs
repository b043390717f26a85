//! Events whose encryption key is no longer configured after rotations.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kyc_sandbox::portal::Mode;

use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::operations::operate::{events, json, said, wait_for};
use crate::support::world::World;

/// The files of the current and of the previous keys.
struct Keys {
    _folder: tempfile::TempDir,
    current: PathBuf,
    previous: PathBuf,
}

// === impl Keys ===

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (current, previous) = (folder.path().join("current"), folder.path().join("previous"));
        let keys = Self { _folder: folder, current, previous };
        keys.write("aa", &["bb"]);
        keys
    }

    fn write(&self, current: &str, previous: &[&str]) {
        std::fs::write(&self.current, current.repeat(32)).unwrap();
        let lines: Vec<String> = previous.iter().map(|key| key.repeat(32)).collect();
        std::fs::write(&self.previous, lines.join("\n")).unwrap();
    }

    fn config(&self) -> String {
        let keys = format!(
            "events.key_file = {:?}\nevents.previous_key_file = {:?}\nevents.path",
            self.current, self.previous
        );
        stored().replace("events.path", &keys)
    }
}

/// A dead event was replayed after two rotations. Its delivery was attempted every minute without end, and no gateway could start,
/// because the store had a waiting event with an unknown key.
#[tokio::test(flavor = "multi_thread")]
async fn replay_of_an_event_with_an_unknown_key_is_refused_and_the_gateway_starts() {
    let keys = Keys::new();
    let world = World::start(&keys.config()).await;
    world.acme.set_mode(Mode::Status(422));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    let dead = wait_for(&world.gateway, "acme", "dead").await;
    let uid = dead["uid"].as_str().unwrap();
    keys.write("cc", &["bb"]);

    let rotated = world.gateway.twin().await;
    world.gateway.stop().await;
    let refused = said(&events(&rotated, &["replay", "--uid", uid]));
    let others = json(&rotated, &["replay", "--tenant", "acme", "--state", "dead"]);
    let again = rotated.twin().await;

    assert!(refused.contains("encrypted with a key that is not configured"), "{refused}");
    assert_eq!((&others["changed"], &others["unknown_key"]), (&0.into(), &1.into()));
    assert!(
        again.log().contains("event store holds events encrypted with keys that are not configured"),
        "{}",
        again.log()
    );
    rotated.stop().await;
    again.stop().await;
}

/// An event whose key was no longer configured prevented every gateway from starting.
#[tokio::test(flavor = "multi_thread")]
async fn event_with_an_unknown_key_is_parked_until_the_key_is_configured() {
    let keys = Keys::new();
    let world = World::start(&keys.config()).await;
    world.acme.set_mode(Mode::Status(500));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    world.acme.calls().wait_for_count(2).await.unwrap();
    let World { acme, globex, gateway, onfido } = world;
    keys.write("dd", &["cc", "bb"]);

    let without = gateway.twin().await;
    gateway.stop().await;
    acme.set_mode(Mode::Ok);
    let parked = wait_for(&without, "acme", "parked").await;
    let delivered_without = taken(&acme);
    keys.write("dd", &["cc", "bb", "aa"]);
    let with = without.twin().await;
    without.stop().await;
    wait_for_all(&acme, &BTreeSet::from([event(1)])).await;

    assert_eq!(parked["reason"], "unknown_key");
    assert!(delivered_without.is_empty());
    drop((globex, onfido));
    assert!(taken(&acme).values().all(|count| *count == 1));
    with.stop().await;
}

/// A previous key could never be removed, because no command encrypted its events with the current key.
#[tokio::test(flavor = "multi_thread")]
async fn previous_key_can_be_removed_after_a_rekey() {
    let keys = Keys::new();
    let world = World::start(&keys.config()).await;
    world.acme.set_mode(Mode::Status(422));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    let dead = wait_for(&world.gateway, "acme", "dead").await;
    let World { acme, globex, gateway, onfido } = world;
    keys.write("cc", &["aa"]);
    let rotated = gateway.twin().await;
    gateway.stop().await;

    let would = json(&rotated, &["rekey", "--dry-run"]);
    let done = json(&rotated, &["rekey"]);
    let again = json(&rotated, &["rekey"]);
    keys.write("cc", &["dd"]);
    let alone = rotated.twin().await;
    rotated.stop().await;
    acme.set_mode(Mode::Ok);
    let replayed = json(&alone, &["replay", "--uid", dead["uid"].as_str().unwrap()]);
    wait_for_all(&acme, &BTreeSet::from([event(1)])).await;

    assert_eq!([&would["would_change"], &done["changed"], &again["changed"]], [1, 1, 0]);
    assert_eq!(replayed["changed"], 1);
    alone.stop().await;
    drop((globex, onfido));
}
