//! The event store on a full, damaged or read-only disk.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use kyc_sandbox::portal::Mode;

use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::support::gateway::{binary, wait_for_end};
use crate::support::soon;
use crate::support::world::World;

/// A small file system (tmpfs), unmounted when dropped.
pub(crate) struct Disk(tempfile::TempDir);

impl Disk {
    /// Mounts the file system; `None` if mounting is not permitted, as in some containers.
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let disk = Self(folder);
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], disk.path()).then_some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, option: &str) {
        assert!(run("mount", &["-o", &format!("remount,{option}")], self.path()), "cannot remount {option}");
    }

    /// Fills the rest of the file system.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    /// Frees the space again.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }

    fn store(&self) -> PathBuf {
        self.path().join("events.db")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l"], self.path());
    }
}

fn run(program: &str, arguments: &[&str], last: &Path) -> bool {
    let done =
        |mut command: Command| command.args(arguments).arg(last).status().is_ok_and(|end| end.success());
    if done(Command::new(program)) {
        return true;
    }
    let mut as_root = Command::new("sudo");
    as_root.args(["-n", program]);
    done(as_root)
}

pub(crate) fn on(disk: &Disk) -> String {
    stored().replace("\"store/events.db\"", &format!("{:?}", disk.store()))
}

/// An event of 20 KB.
pub(crate) fn large(number: usize) -> String {
    event(number).replace("\"n\":1.0", &format!("\"n\":1.0,\"padding\":\"{}\"", "x".repeat(20_000)))
}

/// Damages the end of a long body, which the start does not read.
pub(crate) fn damage(store: &Path) {
    let mut bytes = std::fs::read(store).unwrap();
    let page = bytes.chunks_mut(4096).skip(500).find(|page| page[0] == 0).unwrap();
    page.fill(0xA5);
    std::fs::write(store, &bytes).unwrap();
}

pub(crate) const NOT_RUN: &str = "NOT RUN: this machine lets nobody mount a disk";

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_refuses_notifications_until_there_is_space_again() {
    let Some(disk) = Disk::mount("6m") else { return println!("{NOT_RUN}") };
    let world = World::start(&on(&disk)).await;
    world.acme.set_mode(Mode::Status(500));

    let mut accepted = BTreeSet::new();
    let mut refused = Vec::new();
    for number in 0..2000 {
        let answer = world.notify("acme", &large(number)).await;
        match answer.status().as_u16() {
            200 => drop(accepted.insert(large(number))),
            503 => refused.push((number, answer.headers().contains_key("retry-after"))),
            other => panic!("{other}"),
        }
        if refused.len() > 20 {
            break;
        }
    }
    // Results cannot be stored either, so no delivery starts whose result could not be recorded, and the summary reports it.
    let readiness = async || reqwest::get(world.gateway.admin("/readyz")).await.unwrap().status().as_u16();
    soon(async || (readiness().await == 503).then_some(())).await;
    world.acme.set_mode(Mode::Ok);
    let during = world.notify("globex", &large(0)).await.status();
    disk.remount("size=64m");
    let mut again = Vec::new();
    for (number, _) in &refused {
        let mut status = 503;
        // The store is opened again.
        for _ in 0..500 {
            status = world.notify("acme", &large(*number)).await.status().as_u16();
            if status == 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        again.push(status);
        accepted.insert(large(*number));
    }
    wait_for_all(&world.acme, &accepted).await;
    soon(async || (readiness().await == 200).then_some(())).await;

    println!("{} of 20 KB accepted on 6 MiB, {} refused, all delivered", accepted.len(), refused.len());
    assert!(accepted.len() > 50 && refused.len() > 20, "{} {}", accepted.len(), refused.len());
    assert!(refused.iter().all(|(_, has_time)| *has_time), "503 without Retry-After");
    assert_eq!(during, 503);
    assert!(again.iter().all(|status| *status == 200), "{again:?}");
    let counts = taken(&world.acme);
    assert!(counts.keys().all(|event| accepted.contains(event)));
    world.gateway.stop().await;
}

/// The integrity check of the whole file delayed the start: 16 s for 791 MiB. Now it runs in the background.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_store_is_found_in_the_background_and_notifications_are_refused() {
    let mut world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(500));
    for number in 0..200 {
        assert_eq!(world.notify("acme", &large(number)).await.status(), 200);
    }
    let checked = || world.gateway.log().contains("the integrity check of the event store found no damage");
    soon(async || checked().then_some(())).await;
    world.gateway.signal("-TERM");
    wait_for_end(world.gateway.pid()).await;
    let store = world.gateway.folder().join("store/events.db");
    damage(&store);

    let second = world.gateway.again().await;
    let first = std::mem::replace(&mut world.gateway, second);
    let readiness = async || reqwest::get(world.gateway.admin("/readyz")).await.unwrap().status().as_u16();
    let found = || world.gateway.log().contains("the event store is damaged");
    soon(async || found().then_some(())).await;
    let (ready, refused) = (readiness().await, world.notify("globex", &event(1)).await);
    let metrics = world.gateway.metrics().await;
    world.gateway.stop().await;
    let third = Command::new(binary("kyc-gateway"))
        .args(["run", "--config"])
        .arg(first.folder().join("gateway.toml"))
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&third.stderr).into_owned();
    println!("{said}");
    assert_eq!(
        (ready, refused.status().as_u16(), refused.headers().contains_key("retry-after")),
        (503, 503, true)
    );
    let refusals = r#"kyc_gateway_event_store_refusals_total{reason="damaged",tenant="globex"} 1"#;
    assert!(metrics.contains("kyc_gateway_event_store_damaged 1") && metrics.contains(refusals), "{metrics}");
    assert_eq!(third.status.code(), Some(5));
    assert!(said.contains("is damaged or not an event store"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_disk_stops_the_start() {
    let Some(disk) = Disk::mount("16m") else { return println!("{NOT_RUN}") };
    let world = World::start(&on(&disk)).await;
    world.acme.set_mode(Mode::Status(500));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    let config = std::fs::read_to_string(world.gateway.folder().join("gateway.toml")).unwrap();
    let kept = tempfile::tempdir().unwrap();
    std::fs::write(kept.path().join("gateway.toml"), config).unwrap();
    std::fs::write(kept.path().join("tenants.json"), "{}").unwrap();
    world.gateway.stop().await;
    let files = |disk: &Disk| -> BTreeSet<_> {
        std::fs::read_dir(disk.path()).unwrap().map(|file| file.unwrap().file_name()).collect()
    };
    let before = (files(&disk), std::fs::read(disk.store()).unwrap());

    disk.remount("ro");
    let refused = Command::new(binary("kyc-gateway"))
        .args(["run", "--config"])
        .arg(kept.path().join("gateway.toml"))
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    println!("{said}");
    assert_eq!(refused.status.code(), Some(5));
    assert!(said.contains("events.db") && said.contains("event delivery cannot start"), "{said}");
    assert_eq!((files(&disk), std::fs::read(disk.store()).unwrap()), before);
}
