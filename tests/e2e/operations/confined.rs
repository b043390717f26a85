//! The privileges and the resources of the process.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::raw::{send, status};
use crate::support::world::{EVENT, World};

/// One line of `/proc/PID/status`, without its name.
fn of(status: &str, name: &str) -> Vec<String> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches(':').split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_runs_unprivileged_on_a_read_only_file_system() {
    if !may_confine() {
        println!("skipped: only root, and not in every container, can make a system read-only for another");
        return;
    }
    let world = World::start_confined().await;
    let request =
        b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\nConnection: close\r\n\r\n";

    let calls = futures::future::join_all((0..200).map(|_| send(world.gateway.address(), request))).await;
    for number in 0..20 {
        let answer = world.notify("acme", &EVENT.replace("r-1", &format!("r-{number}"))).await;
        assert_eq!(answer.status(), 200);
    }
    let began = Instant::now();
    while world.acme.deliveries().all().len() < 20 {
        assert!(began.elapsed() < Duration::from_secs(60), "not delivered: {}", world.gateway.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (seen, mounts, limits) =
        (world.gateway.kernel("status"), world.gateway.kernel("mounts"), world.gateway.kernel("limits"));
    let log = world.gateway.stop().await;

    assert!(calls.iter().all(|answer| status(answer) == 200), "{calls:?}");
    assert_eq!(of(&seen, "Uid"), ["65534"; 4]);
    assert_eq!((of(&seen, "CapEff"), of(&seen, "CapBnd")), (vec!["0".repeat(16)], vec!["0".repeat(16)]));
    assert_eq!(of(&seen, "NoNewPrivs"), ["1"]);
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).unwrap();
    assert!(root.split(' ').nth(3).unwrap().split(',').any(|option| option == "ro"), "{root}");
    assert!(limits.lines().any(|line| line.starts_with("Max core file size        0 ")), "{limits}");
    let threads: usize = of(&seen, "Threads")[0].parse().unwrap();
    println!("{threads} threads, {} KiB at most", of(&seen, "VmHWM")[0]);
    assert!(threads <= 40, "{threads}");
    assert!(!log.contains("runs as root"), "{log}");
    assert!(!log.contains("\"level\":\"ERROR\"") && !log.contains("os error"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_as_root_logs_a_warning() {
    let world = World::start("").await;
    let user = of(&world.gateway.kernel("status"), "Uid")[1].clone();

    let log = world.gateway.stop().await;

    let warning = "the gateway runs as root and needs no root privilege; run it as an unprivileged user";
    assert_eq!(log.matches(warning).count(), usize::from(user == "0"), "{log}");
}

fn may_confine() -> bool {
    let mut tried = Command::new("unshare");
    tried.args(["--mount", "--propagation=private", "mount", "-o", "remount,bind,ro", "/"]);
    tried.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
