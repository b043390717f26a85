//! Hot upgrades and rolling restarts without a lost request.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use kyc_sandbox::signature::sign;
use reqwest::Client;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::gateway::{Gateway, Setup, start, wait_for_end};
use crate::support::raw::send;
use crate::support::upstream::Echo;
use crate::support::world::{EVENT, World};

/// Load until it is stopped: calls over keep-alive and new connections, and notifications.
struct Load {
    stop: watch::Sender<bool>,
    calls: Vec<JoinHandle<usize>>,
}

// === impl Load ===

impl Load {
    fn start(gateway: SocketAddr, notifications: bool) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut calls = Vec::new();
        for keep in [true, true, false] {
            calls.push(tokio::spawn(call(client(keep), gateway, stopped.clone())));
        }
        if notifications {
            calls.push(tokio::spawn(notify(client(false), gateway, stopped)));
        }
        Self { stop, calls }
    }

    /// Stops the load. Returns the number of requests; all of them must have been answered.
    async fn end(self) -> usize {
        self.stop.send(true).unwrap();
        let mut answered = 0;
        for call in self.calls {
            answered += call.await.unwrap();
        }
        answered
    }
}

fn client(keep: bool) -> Client {
    // A client that retries would hide lost requests.
    let builder = Client::builder().retry(reqwest::retry::never());
    builder.pool_max_idle_per_host(usize::from(keep)).build().unwrap()
}

async fn call(client: Client, gateway: SocketAddr, stopped: watch::Receiver<bool>) -> usize {
    let mut answered = 0;
    while !*stopped.borrow() {
        let request =
            client.get(format!("http://{gateway}/dcs/kyc2/applicants")).header("SubscriptionId", "sub-acme");
        let answer = request.send().await.unwrap_or_else(|error| panic!("call {answered}: {error:?}"));
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await.unwrap();
        answered += 1;
    }
    answered
}

async fn notify(client: Client, gateway: SocketAddr, stopped: watch::Receiver<bool>) -> usize {
    let mut answered = 0;
    while !*stopped.borrow() {
        let body = EVENT.replace("r-1", &format!("r-{answered}"));
        let request = client
            .post(format!("http://{gateway}/dcs/kyc2/webhook/notify/acme"))
            .header("X-SHA2-Signature", sign("sign-acme", body.as_bytes()))
            .header("Content-Type", "application/json")
            .body(body);
        let answer = request.send().await.unwrap_or_else(|error| panic!("event {answered}: {error:?}"));
        assert_eq!(answer.status(), 200);
        answered += 1;
    }
    answered
}

/// Waits until a new process has taken over.
async fn follow_successor(gateway: &mut Gateway) {
    let text = "handover complete; the new process serves";
    logged(gateway, text, gateway.successors.len() + 1).await;
    let log = gateway.log();
    let line = log.lines().rfind(|line| line.contains(text)).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    gateway.successors.push(u32::try_from(event["pid"].as_u64().unwrap()).unwrap());
}

/// Waits for the `count`th log line that contains `text`.
async fn logged(gateway: &Gateway, text: &str, count: usize) {
    let found = async {
        while gateway.log().matches(text).count() < count {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let found = timeout(Duration::from_secs(60), found).await;
    assert!(found.is_ok(), "no {text}: {}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_hot_upgrades_lose_no_request() {
    upgrade_three_times("").await;
}

/// A gateway with one thread has a runtime of another kind, whose tasks are not shared.
#[tokio::test(flavor = "multi_thread")]
async fn hot_upgrades_of_a_gateway_with_one_thread_lose_no_request() {
    upgrade_three_times("[server]\nthreads = 1\n").await;
}

async fn upgrade_three_times(config: &str) {
    let mut world = World::start(config).await;
    let load = Load::start(world.gateway.address(), true);
    let first = world.gateway.pid();

    for _ in 0..3 {
        let before = world.gateway.pid();
        world.gateway.signal("-QUIT");
        follow_successor(&mut world.gateway).await;
        assert_ne!(world.gateway.pid(), before);
        // The old process exits as soon as its requests have finished.
        wait_for_end(before).await;
    }
    let answered = load.end().await;
    let stored = world.gateway.log().matches("\"route\":\"webhook\"").count();
    let delivered = async {
        while world.acme.deliveries().all().len() < stored {
            sleep(Duration::from_millis(5)).await;
        }
    };

    timeout(Duration::from_secs(60), delivered).await.unwrap();
    println!("{answered} calls and events answered during three upgrades, {stored} events delivered");
    assert!(answered > 100 && stored > 10, "{answered} {stored}");
    assert_ne!(first, world.gateway.pid());
    world.gateway.signal("-TERM");
    wait_for_end(world.gateway.pid()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_hot_upgrade_leaves_the_old_process_serving() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;
    let config = gateway.folder().join("gateway.toml");
    let good = std::fs::read_to_string(&config).unwrap();

    std::fs::write(&config, "[server]\nthreds = 1\n").unwrap();
    gateway.signal("-QUIT");
    logged(&gateway, "handover failed; this process keeps serving", 1).await;
    std::fs::write(&config, good).unwrap();
    let request =
        b"GET /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\nConnection: close\r\n\r\n";
    let answer = send(gateway.address(), request).await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(gateway.log().contains("server.threds: unknown key"), "{}", gateway.log());
    assert_eq!(reqwest::get(gateway.admin("/readyz")).await.unwrap().status(), 200);
    let log = gateway.stop().await;
    assert!(log.contains("\"drained\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_process_exits_if_the_old_one_dies_during_the_handover() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;
    // Its tenant source does not answer, so the new process is not ready when the old one is killed.
    let tenants = gateway.folder().join("tenants.json");
    std::fs::remove_file(&tenants).unwrap();

    gateway.signal("-QUIT");
    logged(&gateway, "\"listening\"", 4).await;
    let log = gateway.log();
    let successors = children(gateway.pid());
    gateway.signal("-KILL");
    wait_for_end(gateway.pid()).await;
    for successor in &successors {
        wait_for_end(*successor).await;
    }

    assert_eq!(successors.len(), 1, "{log}");
    logged(&gateway, "the previous process did not hand over; this process exits", 1).await;
}

/// The child processes of a process.
fn children(of: u32) -> Vec<u32> {
    let listed = std::process::Command::new("ps").args(["-o", "pid=", "--ppid", &of.to_string()]).output();
    String::from_utf8(listed.unwrap().stdout)
        .unwrap()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn service_manager_is_notified_of_start_handover_and_stop() {
    let onfido = Echo::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let heard = || {
        let mut buffer = [0; 256];
        let read = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    };
    let setup = Setup::default().onfido(onfido.address);
    let mut gateway = start(setup.environment("NOTIFY_SOCKET", &path.display().to_string())).await;

    let started = heard();
    gateway.signal("-QUIT");
    follow_successor(&mut gateway).await;
    let replaced = heard();
    gateway.signal("-TERM");
    let stopped = heard();

    assert!(started.contains("READY=1"), "{started}");
    assert_eq!(replaced, format!("MAINPID={}\n", gateway.pid()));
    assert_eq!(stopped, "STOPPING=1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_after_a_handover_ends_the_old_process_after_its_drain() {
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup::default().onfido(upstream.local_addr().unwrap());
    let mut gateway = start(setup.config("[server]\ndrain = \"1s\"\n")).await;
    let mut caller = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let request = b"GET /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n\r\n";
    caller.write_all(request).await.unwrap();
    let (_held, _) = upstream.accept().await.unwrap();
    let before = gateway.pid();
    gateway.signal("-QUIT");
    follow_successor(&mut gateway).await;

    std::process::Command::new("kill").args(["-TERM", &before.to_string()]).status().unwrap();
    wait_for_end(before).await;

    logged(&gateway, "drain timeout reached; open requests are aborted", 1).await;
    let answer =
        send(gateway.address(), b"GET /nowhere HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "the successor lives: {answer}");
    gateway.signal("-TERM");
    wait_for_end(gateway.pid()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restart_behind_a_balancer_loses_no_request() {
    let onfido = Echo::start().await;
    let one = start(Setup::default().onfido(onfido.address)).await;
    let two = start(Setup::default().onfido(onfido.address)).await;
    let (point, target) = watch::channel(one.address());
    let balancer = balancer(target).await;
    let load = Load::start(balancer, false);

    // Like an orchestrator: new connections go to the new process, then the old one gets SIGTERM.
    sleep(Duration::from_millis(300)).await;
    point.send(two.address()).unwrap();
    let log = one.stop().await;
    sleep(Duration::from_millis(300)).await;
    let answered = load.end().await;

    println!("{answered} calls answered during a rolling restart");
    assert!(answered > 20 && log.contains("\"drained\""), "{answered}");
    two.stop().await;
}

/// A TCP balancer that forwards each new connection to the current `target`.
async fn balancer(target: watch::Receiver<SocketAddr>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let target = *target.borrow();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}
