//! The binary as a process: exit codes of `check`, and how `run` ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first failure")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use kyc_harness::gateway::{Launch, Log};
use kyc_harness::process::Process;
use tokio::time::timeout;

/// A gateway in a folder of its own; it is killed when dropped.
struct Gateway {
    process: Process,
    log: Arc<Log>,
    proxy: SocketAddr,
    admin: SocketAddr,
}

// === impl Gateway ===

impl Gateway {
    /// Starts it with one tenant, and waits until that is loaded. Only a drain that ends early ends in time.
    async fn start(name: &str, upstream: SocketAddr) -> Self {
        Self::start_with(name, upstream, "").await
    }

    /// The same, with more keys of its section `server`.
    async fn start_with(name: &str, upstream: SocketAddr, keys: &str) -> Self {
        let folder = folder(name);
        let tenants = format!(
            r#"{{"Onfido-BaseUrl":"http://{upstream}/v3.6","Onfido-ApiTokens":[{{"Name":"acme",
            "subscriptionId":"sub-acme","apiToken":"token","webhookId":"hook","ftosClientId":"client",
            "ftosEndpoint":"http://127.0.0.1:9/portal","ftosUsername":"user","ftosPassword":"password"}}]}}"#
        );
        std::fs::write(folder.join("tenants.json"), tenants).unwrap();
        let config = format!(
            "[server]\ndrain = \"1h\"\n{keys}[admin]\naddress = \"127.0.0.1:0\"\n\
             [[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n"
        );
        let file = folder.join("gateway.toml");
        std::fs::write(&file, config).unwrap();
        let (process, log) = Launch::new(PROGRAM, file).spawn_logged().unwrap();
        assert!(log.listeners(2).await.is_some(), "the gateway ended: {}", log.text());
        let (proxy, admin) = (log.listener("main").await, log.listener("admin").await);
        Self { process, log, proxy, admin }
    }

    /// The same, and a call that its upstream has and does not answer.
    async fn busy(name: &str) -> (Self, TcpStream, mpsc::Sender<()>) {
        let (upstream, arrived, release) = upstream();
        let gateway = Self::start(name, upstream).await;
        gateway.log.wait_for("tenants changed").await.unwrap();
        let call = ask(gateway.proxy, "/dcs/kyc2/ping");
        arrived.recv_timeout(LONG).unwrap();
        (gateway, call, release)
    }

    fn signal(&self, name: &str) {
        self.process.signal(name).unwrap();
    }

    /// The exit code.
    async fn end(&mut self) -> Option<i32> {
        let ended = timeout(LONG, self.process.wait()).await;
        ended.unwrap_or_else(|_| panic!("the gateway does not end")).unwrap().code()
    }
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight_and_then_exits_at_once() {
    let (mut gateway, mut call, release) = Gateway::busy("drain").await;

    gateway.signal("-TERM");
    gateway.log.wait_for(r#""message":"draining""#).await.unwrap();
    // The listener closes a moment after that line; a connection made before is not accepted any more.
    while TcpStream::connect(gateway.proxy).is_ok() {}
    let ready = answer(&mut ask(gateway.admin, "/readyz"));
    let live = answer(&mut ask(gateway.admin, "/livez"));
    release.send(()).unwrap();
    let answered = answer(&mut call);
    gateway.log.wait_for(r#""message":"drained""#).await.unwrap();

    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("draining\n"), "{ready}");
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.ends_with("pong"), "{answered}");
    assert_eq!(gateway.end().await, Some(0));
}

#[tokio::test]
async fn requests_are_taken_until_a_balancer_has_noticed() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let mut gateway = Gateway::start_with("delay", nowhere, "drain_delay = \"1h\"\n").await;
    gateway.log.wait_for("tenants changed").await.unwrap();

    gateway.signal("-TERM");
    let begun = Instant::now();
    while answer(&mut ask(gateway.admin, "/readyz")).ends_with("ok\n") {
        assert!(begun.elapsed() < LONG, "it is ready for ever");
    }
    let ready = answer(&mut ask(gateway.admin, "/readyz"));
    let answered = answer(&mut ask(gateway.proxy, "/nowhere"));
    gateway.signal("-INT");

    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    assert!(answered.starts_with("HTTP/1.1 404 "), "{answered}");
    assert_eq!(gateway.end().await, Some(0));
}

#[tokio::test]
async fn sigint_ends_a_drain() {
    let (mut gateway, _call, _release) = Gateway::busy("interrupt").await;

    gateway.signal("-TERM");
    gateway.log.wait_for(r#""message":"draining""#).await.unwrap();
    gateway.signal("-INT");
    let line = gateway.log.wait_for("interrupted").await.unwrap();

    assert!(line.contains(r#""requests":1"#), "{line}");
    assert_eq!(gateway.end().await, Some(0));
}

#[tokio::test]
async fn sigint_alone_does_not_wait() {
    let (mut gateway, _call, _release) = Gateway::busy("fast").await;

    gateway.signal("-INT");

    assert_eq!(gateway.end().await, Some(0));
}

#[tokio::test]
async fn no_signal_is_lost_while_the_gateway_starts() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    for signal in ["-INT", "-TERM"].repeat(5) {
        let mut gateway = Gateway::start("early", nowhere).await;

        gateway.signal("-HUP");
        gateway.signal(signal);

        assert_eq!(gateway.end().await, Some(0), "{signal}");
    }
}

#[test]
fn check_says_what_is_valid_and_exits_with_0() {
    let file = folder("valid").join("gateway.toml");
    std::fs::write(&file, "").unwrap();

    let output = gateway("check", &file).output().unwrap();

    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert!(told.contains("is valid") && told.contains("route onfido: "), "{told}");
}

#[test]
fn check_warns_of_unsigned_notifications() {
    let file = folder("unsigned").join("gateway.toml");
    let route = "[[routes]]\nname = \"w\"\npaths = [\"/w/{configurationName}\"]\n[[routes.plugins]]\nplugin = \"webhook\"\n";
    std::fs::write(&file, format!("{route}signature = \"off\"\nallow_unsigned = true\n")).unwrap();

    let output = gateway("check", &file).output().unwrap();

    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        told.contains("warning: SIGNATURES ARE NOT VERIFIED: anyone can post events to route `w`"),
        "{told}"
    );
}

#[test]
fn check_and_run_tell_every_problem_and_exit_with_1() {
    let file = folder("invalid").join("gateway.toml");
    std::fs::write(&file, "[server]\nthreds = 1\ndrain = \"0s\"\n").unwrap();

    for command in ["check", "run"] {
        let output = gateway(command, &file).output().unwrap();

        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()), "{command}");
        assert!(told.contains("server.threds: ") && told.contains("server.drain: "), "{told}");
    }
}

#[test]
fn exit_codes_tell_why_a_command_failed() {
    let folder = folder("codes");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (file, none) = (folder.join("gateway.toml"), folder.join("none.toml"));
    std::fs::write(&file, "[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n").unwrap();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(PROGRAM)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output();
        let output = output.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (file, none, closed) = (file.to_str().unwrap(), none.to_str().unwrap(), format!("http://{closed}"));

    let rows = [
        (run(&["check", "--config", file], &[]), 0, ""),
        (run(&["check"], &[("KYC_GATEWAY_CONFIG", file)]), 0, ""),
        (run(&["check"], &[("KYC_GATEWAY_CONFIG", none)]), 1, "there is no such file"),
        (run(&["check", "--lively"], &[]), 2, "unexpected argument"),
        (run(&["events", "list", "--admin", "somewhere"], &[]), 2, "--admin: "),
        (run(&["events", "rekey", "--reason", ""], &[]), 2, "--reason: "),
        (run(&["events", "list", "--admin", &closed], &[]), 3, "no gateway answers at http://127.0.0.1:"),
        (run(&["tenants", "list"], &[("KYC_GATEWAY_ADMIN", &closed)]), 3, "no gateway answers at"),
        (run(&["health"], &[("KYC_GATEWAY_ADMIN", &closed)]), 3, "no gateway answers at"),
    ];

    for ((code, told), expected, reason) in rows {
        assert_eq!(code, expected, "{told}");
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn taken_port_is_told_by_listener_and_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let file = folder("taken").join("gateway.toml");
    std::fs::write(&file, format!("[[listeners]]\nname = \"main\"\naddress = \"{address}\"\n")).unwrap();

    let output = gateway("run", &file).output().unwrap();

    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(told.starts_with(&format!("listener main cannot listen at {address}: ")), "{told}");
}

#[test]
fn manual_pages_and_completions_are_generated() {
    let folder = folder("generated");

    let pages = Command::new(PROGRAM).args(["generate", "man"]).arg(&folder).output().unwrap();
    assert!(pages.status.success(), "{pages:?}");
    let page = std::fs::read_to_string(folder.join("kyc-gateway-events-list.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("KYC_GATEWAY_ADMIN"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(PROGRAM).args(["generate", "completion", shell]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("kyc-gateway") && text.contains("oldest"), "{text}");
    }
}

#[test]
fn version_names_the_commit_and_the_compiler() {
    let [short, long] = ["-V", "--version"].map(|option| {
        let output = Command::new(PROGRAM).arg(option).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    });

    assert_eq!(short, concat!("kyc-gateway ", env!("CARGO_PKG_VERSION"), "\n"));
    let (first, rest) = long.split_once('\n').unwrap();
    assert_eq!(first, short.trim_end());
    let names: Vec<&str> = rest.lines().filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(names, ["commit", "date", "compiler", "target", "profile", "features"], "{long}");
    assert!(rest.contains("compiler  rustc 1."), "{long}");
}

/// During a handover the lines of two processes were in one log, and nothing said which process wrote which.
#[tokio::test]
async fn log_and_metrics_say_which_build_runs_with_which_configuration() {
    let gateway = Gateway::start("build", "127.0.0.1:9".parse().unwrap()).await;
    let long = Command::new(PROGRAM).arg("--version").output().unwrap();
    let long = String::from_utf8(long.stdout).unwrap();
    let commit = long.lines().find_map(|line| line.strip_prefix("commit    ")).unwrap();

    let started = gateway.log.wait_for(r#""message":"starting""#).await.unwrap();
    let metrics = answer(&mut ask(gateway.admin, "/metrics"));

    let file = folder("build").join("gateway.toml");
    let sum = Command::new("sha256sum").arg(&file).output().unwrap();
    let digest = String::from_utf8(sum.stdout).unwrap();
    let line: serde_json::Value = serde_json::from_str(&started).unwrap();
    assert_eq!(line["commit"], commit);
    assert_eq!(line["pid"], gateway.process.pid());
    assert_eq!(line["config"], file.to_str().unwrap());
    assert_eq!(line["digest"], digest.split(' ').next().unwrap());
    let version = env!("CARGO_PKG_VERSION");
    let build = metrics.lines().find(|line| line.starts_with("kyc_gateway_build_info{")).unwrap();
    for label in [format!("version=\"{version}\""), format!("commit=\"{commit}\"")] {
        assert!(build.contains(&label) && build.ends_with(" 1"), "{build}");
    }
}

fn gateway(command: &str, file: &std::path::Path) -> Command {
    let mut gateway = Command::new(PROGRAM);
    gateway.args([command, "--config"]).arg(file).stdin(Stdio::null());
    gateway
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("process-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// An upstream for one request: it says when that has arrived, and answers when it may.
fn upstream() -> (SocketAddr, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        BufReader::new(&stream).lines().map_while(Result::ok).find(String::is_empty);
        tell.send(()).unwrap();
        if released.recv().is_ok() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong").unwrap();
        }
    });
    (address, arrived, release)
}

fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nSubscriptionId: sub-acme\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Longer than anything here takes on a busy machine; what takes longer hangs.
const LONG: Duration = Duration::from_secs(60);
const PROGRAM: &str = env!("CARGO_BIN_EXE_kyc-gateway");
