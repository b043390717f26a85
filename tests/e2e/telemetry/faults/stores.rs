//! Faults of the event store.

use std::io::Write;
use std::process::{Command, Stdio};

use kyc_harness::postgres::Postgres;
use kyc_sandbox::portal::Mode;

use super::fault::Fault;
use super::portals::notify;
use super::processes::{fixed_admin, restart};
use super::watch::Watch;
use crate::notifications::disk::{Disk, NOT_RUN, damage, large, on};
use crate::notifications::durable::{event, stored};
use crate::notifications::shared;
use crate::support::gateway::wait_for_end;
use crate::support::soon;
use crate::support::world::World;

pub(super) async fn disk_full(fault: &'static Fault) {
    let Some(disk) = Disk::mount("64m") else { return println!("{NOT_RUN}") };
    let world = World::start(&format!("events.max_size = \"16MiB\"\n{}", on(&disk))).await;
    let watch = Watch::start(fault, &world.gateway).await;
    // Their attempts have results to record.
    world.acme.set_mode(Mode::Status(500));
    for _ in 0..10 {
        notify(&world, "acme").await;
    }

    disk.fill();
    watch.fires(async || drop(world.notify("globex", &event(0)).await)).await;

    disk.free();
    world.acme.set_mode(Mode::Ok);
    watch.resolves(async || {}).await;
}

/// The waiting events of two portals that are away: a tenant has half of the store at most.
pub(super) async fn limit_reached(fault: &'static Fault) {
    let world = World::start(&format!("events.max_size = \"4MiB\"\n{}", stored())).await;
    let watch = Watch::start(fault, &world.gateway).await;
    world.acme.set_mode(Mode::Status(503));
    world.globex.set_mode(Mode::Status(503));

    let mut number = 0;
    let notify = async || {
        number += 1;
        for tenant in ["acme", "globex"] {
            world.notify(tenant, &large(number)).await;
        }
    };
    watch.fires(notify).await;

    world.acme.set_mode(Mode::Ok);
    world.globex.set_mode(Mode::Ok);
    watch.resolves(async || {}).await;
}

pub(super) async fn long_read(fault: &'static Fault) {
    let world = World::start(&format!("events.max_wal_size = \"64MiB\"\n{}", stored())).await;
    let watch = Watch::start(fault, &world.gateway).await;
    notify(&world, "acme").await;

    let mut sqlite = Command::new("sqlite3");
    sqlite.arg(world.gateway.folder().join("store/events.db")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut sqlite = sqlite.spawn().unwrap();
    let mut reader = sqlite.stdin.take().unwrap();
    reader.write_all(b"BEGIN; SELECT count(*) FROM sqlite_master;\n").unwrap();
    let mut number = 0;
    let write = async || {
        for _ in 0..50 {
            number += 1;
            let body = event(number).replace("\"n\":1.0", &format!("\"padding\":\"{}\"", "x".repeat(60_000)));
            world.notify("acme", &body).await;
        }
    };
    watch.fires(write).await;

    // At the end of its input, sqlite3 ends.
    drop(reader);
    assert!(sqlite.wait().unwrap().success());
    watch.resolves(async || notify(&world, "acme").await).await;
}

pub(super) async fn damaged(fault: &'static Fault) {
    let mut world = World::start(&format!("{}{}", fixed_admin(), stored())).await;
    let watch = Watch::start(fault, &world.gateway).await;
    world.acme.set_mode(Mode::Status(500));
    for number in 0..200 {
        assert_eq!(world.notify("acme", &large(number)).await.status(), 200);
    }
    let stop = async |world: &World| {
        world.gateway.signal("-TERM");
        wait_for_end(world.gateway.pid()).await;
    };
    stop(&world).await;
    let store = world.gateway.folder().join("store/events.db");
    let good = std::fs::read(&store).unwrap();

    damage(&store);
    restart(&mut world.gateway).await;
    watch.fires(async || {}).await;

    stop(&world).await;
    std::fs::write(&store, good).unwrap();
    restart(&mut world.gateway).await;
    watch.resolves(async || {}).await;
}

/// Real seconds: the alert compares the gateway's time with the time of Prometheus.
pub(super) async fn database_away(fault: &'static Fault) {
    let (mut server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let world = World::start(&shared::config(&server, folder.path())).await;
    let watch = Watch::start(fault, &world.gateway).await;

    server.stop();
    watch.fires(async || {}).await;

    server.start_again().unwrap();
    watch.resolves(async || {}).await;
    soon(async || (world.notify("acme", &event(0)).await.status() == 200).then_some(())).await;
}
