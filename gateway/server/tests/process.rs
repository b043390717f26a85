//! The binary as a process: exit codes of `check`, and how `run` ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first failure")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A gateway in a folder of its own; it is killed when dropped.
struct Gateway {
    child: Child,
    log: mpsc::Receiver<String>,
    proxy: SocketAddr,
    admin: SocketAddr,
}

// === impl Gateway ===

impl Gateway {
    /// Starts it with one tenant, and waits until that is loaded. Only a drain that ends early ends in time.
    fn start(name: &str, upstream: SocketAddr) -> Self {
        Self::start_with(name, upstream, "")
    }

    /// The same, with more keys of its section `server`.
    fn start_with(name: &str, upstream: SocketAddr, keys: &str) -> Self {
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
        let mut child = gateway("run", &file).stdout(Stdio::piped()).spawn().unwrap();
        let log = lines(child.stdout.take().unwrap());
        let proxy = address(&wait_for(&log, r#""listener":"main""#));
        let admin = address(&wait_for(&log, r#""listener":"admin""#));
        Self { child, log, proxy, admin }
    }

    /// The same, and a call that its upstream has and does not answer.
    fn busy(name: &str) -> (Self, TcpStream, mpsc::Sender<()>) {
        let (upstream, arrived, release) = upstream();
        let gateway = Self::start(name, upstream);
        wait_for(&gateway.log, "tenants changed");
        let call = ask(gateway.proxy, "/dcs/kyc2/ping");
        arrived.recv_timeout(LONG).unwrap();
        (gateway, call, release)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// The exit code; the log ends with the process.
    fn end(&mut self) -> Option<i32> {
        let latest = Instant::now() + LONG;
        loop {
            // A gateway that cannot end may have a lot to say.
            match self.log.recv_timeout(latest.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return self.child.wait().unwrap().code(),
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the gateway does not end"),
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_then_exits_at_once() {
    let (mut gateway, mut call, release) = Gateway::busy("drain");

    gateway.signal("-TERM");
    wait_for(&gateway.log, r#""message":"draining""#);
    // The listener closes a moment after that line; a connection made before is not accepted any more.
    while TcpStream::connect(gateway.proxy).is_ok() {}
    let ready = answer(&mut ask(gateway.admin, "/readyz"));
    let live = answer(&mut ask(gateway.admin, "/livez"));
    release.send(()).unwrap();
    let answered = answer(&mut call);
    wait_for(&gateway.log, r#""message":"drained""#);

    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("draining\n"), "{ready}");
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.ends_with("pong"), "{answered}");
    assert_eq!(gateway.end(), Some(0));
}

#[test]
fn requests_are_taken_until_a_balancer_has_noticed() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let mut gateway = Gateway::start_with("delay", nowhere, "drain_delay = \"1h\"\n");
    wait_for(&gateway.log, "tenants changed");

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
    assert_eq!(gateway.end(), Some(0));
}

#[test]
fn sigint_ends_a_drain() {
    let (mut gateway, _call, _release) = Gateway::busy("interrupt");

    gateway.signal("-TERM");
    wait_for(&gateway.log, r#""message":"draining""#);
    gateway.signal("-INT");
    let line = wait_for(&gateway.log, "interrupted");

    assert!(line.contains(r#""requests":1"#), "{line}");
    assert_eq!(gateway.end(), Some(0));
}

#[test]
fn sigint_alone_does_not_wait() {
    let (mut gateway, _call, _release) = Gateway::busy("fast");

    gateway.signal("-INT");

    assert_eq!(gateway.end(), Some(0));
}

#[test]
fn no_signal_is_lost_while_the_gateway_starts() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    for signal in ["-INT", "-TERM"].repeat(5) {
        let mut gateway = Gateway::start("early", nowhere);

        gateway.signal("-HUP");
        gateway.signal(signal);

        assert_eq!(gateway.end(), Some(0), "{signal}");
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
fn taken_port_is_told_by_listener_and_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let file = folder("taken").join("gateway.toml");
    std::fs::write(&file, format!("[[listeners]]\nname = \"main\"\naddress = \"{address}\"\n")).unwrap();

    let output = gateway("run", &file).output().unwrap();

    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.starts_with(&format!("listener main cannot listen at {address}: ")), "{told}");
}

fn gateway(command: &str, file: &std::path::Path) -> Command {
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_kyc-gateway"));
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

/// The lines of a log, read as they come, so that no writer waits.
fn lines(log: ChildStdout) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(log).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
    });
    told
}

/// Reads the log up to the first line that holds `text`.
fn wait_for(log: &mpsc::Receiver<String>, text: &str) -> String {
    let latest = Instant::now() + LONG;
    loop {
        match log.recv_timeout(latest.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(text) => return line,
            Ok(_) => {}
            Err(error) => panic!("the log has no {text}: {error}"),
        }
    }
}

fn address(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once(r#""address":""#).unwrap();
    rest.split('"').next().unwrap().parse().unwrap()
}

/// Longer than anything here takes on a busy machine; what takes longer hangs.
const LONG: Duration = Duration::from_secs(60);
