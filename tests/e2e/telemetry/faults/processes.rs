//! Faults of the process and its surroundings.

use kyc_harness::collectors::Collector;
use kyc_harness::ports::free_address;
use serde_json::json;

use super::calls::call;
use super::fault::Fault;
use super::watch::Watch;
use crate::notifications::disk::{Disk, NOT_RUN};
use crate::support::gateway::{Gateway, Setup, start, wait_for_end};
use crate::support::upstream::Echo;
use crate::support::world::{DIRECT, World, routes};
use crate::telemetry::logging::set;

/// An admin listener that is at the same address after a restart.
pub(super) fn fixed_admin() -> String {
    format!("[admin]\naddress = \"{}\"\n", free_address().unwrap())
}

/// Starts a gateway that has ended once more, with the same files.
pub(super) async fn restart(gateway: &mut Gateway) {
    let next = gateway.again().await;
    drop(std::mem::replace(gateway, next));
}

async fn killed(gateway: &Gateway) {
    gateway.signal("-KILL");
    wait_for_end(gateway.pid()).await;
}

pub(super) async fn ended(fault: &'static Fault) {
    let mut world = World::start(&format!("{}{}", fixed_admin(), routes(DIRECT))).await;
    let watch = Watch::start(fault, &world.gateway).await;

    killed(&world.gateway).await;
    watch.fires(async || {}).await;

    restart(&mut world.gateway).await;
    watch.resolves(async || {}).await;
}

pub(super) async fn restarted(fault: &'static Fault) {
    let mut world = World::start(&format!("{}{}", fixed_admin(), routes(DIRECT))).await;
    let watch = Watch::start(fault, &world.gateway).await;

    watch
        .fires(async || {
            killed(&world.gateway).await;
            restart(&mut world.gateway).await;
            let metrics = world.gateway.metrics().await;
            let started =
                metrics.lines().find_map(|line| line.strip_prefix("process_start_time_seconds ")).unwrap();
            watch.has(&format!("process_start_time_seconds == {started}")).await;
        })
        .await;

    watch.resolves(async || {}).await;
}

pub(super) async fn plugin_panics(fault: &'static Fault) {
    let onfido = Echo::start().await;
    let stamp = "plugin = \"acme-stamp\"\ntext = \"checked\"\npanics_at = \"/dcs/kyc2/boom\"\n";
    let config = routes(DIRECT).replace(
        "plugin = \"subscription\"",
        &format!("{stamp}[[routes.plugins]]\nplugin = \"subscription\""),
    );
    let gateway = start(Setup::default().onfido(onfido.address).config(&config).binary("acme-gateway")).await;
    let watch = Watch::start(fault, &gateway).await;

    watch.fires(async || drop(reqwest::get(gateway.url("/dcs/kyc2/boom")).await)).await;

    watch
        .resolves(async || {
            call(&gateway).await;
        })
        .await;
}

pub(super) async fn log_disk_full(fault: &'static Fault) {
    let Some(disk) = Disk::mount("2m") else { return println!("{NOT_RUN}") };
    let config = format!("[log]\nfolder = {:?}\n{}", disk.path(), routes(DIRECT));
    let world = World::start(&config).await;
    let watch = Watch::start(fault, &world.gateway).await;
    let file = disk.path().join("gateway.log");
    set(&world, json!({ "serilog-file-logging": "true", "serilog-fileName": file })).await;

    disk.fill();
    watch
        .fires(async || {
            call(&world.gateway).await;
        })
        .await;

    disk.free();
    watch
        .resolves(async || {
            call(&world.gateway).await;
        })
        .await;
}

pub(super) async fn collector_away(fault: &'static Fault) {
    let (world, collector) = (World::start(&routes(DIRECT)).await, Collector::start().await);
    let watch = Watch::start(fault, &world.gateway).await;
    let keys = json!({
        "serilog-seq-logging": "true",
        "serilog-seq-serverUrl": collector.url(),
        "serilog-seq-maxEventCount": "10",
    });
    set(&world, keys).await;

    collector.set_down(true);
    let calls = async || {
        for _ in 0..20 {
            call(&world.gateway).await;
        }
    };
    watch.fires(calls).await;

    collector.set_down(false);
    watch.resolves(async || {}).await;
}

pub(super) async fn few_file_descriptors(fault: &'static Fault) {
    let world = World::start(&routes(DIRECT)).await;
    let watch = Watch::start(fault, &world.gateway).await;
    let pid = world.gateway.pid();
    let limit = |files: usize| {
        let mut prlimit = std::process::Command::new("prlimit");
        let done = prlimit.args(["--pid", &pid.to_string(), &format!("--nofile={files}:")]).status();
        assert!(done.unwrap().success());
    };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();

    limit(open + 10);
    watch.fires(async || {}).await;

    limit(10 * open);
    watch.resolves(async || {}).await;
}
