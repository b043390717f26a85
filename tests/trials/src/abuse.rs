//! Callers that are slow on purpose, by the thousand, and what good ones notice of them.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use kyc_sandbox::gateway::Gateway;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::sender::{Load, Sender};
use crate::{Failure, progress, upstream};

/// What is tried.
#[derive(Clone, Debug)]
pub struct Abuse {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Good calls in a second.
    pub rate: u64,
    /// Connections of each attack.
    pub connections: u64,
    /// Connections that say nothing.
    pub idle: u64,
    /// Seconds of each part.
    pub seconds: u64,
}

/// One part, and what good callers had meanwhile.
#[derive(Clone, Debug)]
pub struct Part {
    /// What was done.
    pub name: &'static str,
    /// Good calls' p99 before, in milliseconds.
    pub calm: f64,
    /// The same meanwhile.
    pub meanwhile: f64,
    /// The most connections that were open at once.
    pub open: u64,
    /// How many of them were open when their deadlines were over.
    pub left: u64,
    /// Memory of the gateway, the most so far, in MiB.
    pub memory: u64,
}

/// Above the parts, as they are written: good calls' p99 in milliseconds, the most connections and those that are left
/// after their deadlines, the most memory.
pub const HEADINGS: &str =
    "attack                     open    before   meanwhile   ratio    left   MiB ≤ 400";

// === impl Part ===

impl Part {
    /// Says whether good callers were served as before, and slow ones closed.
    pub fn holds(&self) -> bool {
        self.left == 0 && self.memory <= MOST_MEMORY && self.meanwhile <= 2.0 * self.calm.max(NOISE)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<22}{:>9}{:>10.2}{:>12.2}{:>8.2}{:>8}{:>10}",
            self.name,
            self.open,
            self.calm,
            self.meanwhile,
            self.meanwhile / self.calm,
            self.left,
            self.memory
        )
    }
}

/// Tries one part after the other.
///
/// # Errors
///
/// What could not be run, and good calls that were not answered 200.
pub async fn run(abuse: &Abuse) -> Result<Vec<Part>, Failure> {
    allow_descriptors()?;
    let upstream = upstream::start(body).await?;
    let folder = tempfile::tempdir()?;
    let document = json!({
        "Onfido-BaseUrl": format!("http://{upstream}/v3.6"),
        "Onfido-ApiTokens": json!([tenant("acme"), tenant("good")]).to_string(),
        "serilog-logLevel": "Error",
    });
    fs::write(folder.path().join("tenants.json"), document.to_string())?;
    let config = folder.path().join("gateway.toml");
    fs::write(&config, CONFIG)?;
    let started = Gateway::start_with_file(&abuse.binary, &config, &[]).await;
    let gateway = started.map_err(|error| Failure(error.to_string()))?;
    measure(abuse, &gateway).await?;
    let mut parts = Vec::new();
    for (name, mode) in MODES {
        progress(&format!("{name}: {} connections for {} s", abuse.connections, abuse.seconds));
        let calm = measure(abuse, &gateway).await?;
        let attack = attack(abuse, &gateway, mode)?;
        parts.push(watch(abuse, &gateway, name, calm, attack).await?);
    }
    progress(&format!("{} idle connections for {} s", abuse.idle, abuse.seconds));
    let calm = measure(abuse, &gateway).await?;
    let idle = idle(gateway.address(), abuse.idle, Duration::from_secs(abuse.seconds));
    parts.push(watch(abuse, &gateway, "idle", calm, idle).await?);
    Ok(parts)
}

fn tenant(name: &str) -> Value {
    json!({
        "Name": name, "subscriptionId": format!("sub-{name}"), "apiToken": format!("token-{name}"),
        "webhookToken": format!("sign-{name}"), "ftosEndpoint": "http://127.0.0.1:9", "ftosUsername": "user",
        "ftosPassword": "password",
    })
}

/// Measures good calls while something goes on, and looks at connections and memory.
async fn watch(
    abuse: &Abuse,
    gateway: &Gateway,
    name: &'static str,
    calm: f64,
    attack: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<Part, Failure> {
    let attack = tokio::spawn(attack);
    let admin = gateway.admin();
    let most = tokio::spawn(async move {
        let mut most = 0;
        for _ in 0..40 {
            most = most.max(open(admin).await.unwrap_or_default());
            sleep(Duration::from_millis(250)).await;
        }
        most
    });
    sleep(Duration::from_millis(500)).await;
    let meanwhile = measure(abuse, gateway).await?;
    let most = most.await.map_err(|error| Failure(error.to_string()))?;
    attack.await.map_err(|error| Failure(error.to_string()))??;
    // Each deadline is over by now, for the last one of them too.
    let begun = Instant::now();
    let mut left = open(admin).await?;
    while left > 0 && begun.elapsed() < DEADLINE * 2 {
        sleep(Duration::from_millis(100)).await;
        left = open(admin).await?;
    }
    let pid = gateway.pid().unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let memory =
        peak.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024;
    Ok(Part { name, calm, meanwhile, open: most, left, memory })
}

async fn measure(abuse: &Abuse, gateway: &Gateway) -> Result<f64, Failure> {
    let sender = Sender::start(Load {
        rate: abuse.rate,
        tenants: 1,
        base: 0,
        lanes: 16,
        limit: abuse.rate * abuse.seconds / 2,
        first: 0,
        gateways: vec![gateway.address()],
        request: |_, _| {
            b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-good\r\n\r\n".to_vec()
        },
    });
    let sending = sender.wait().await?;
    if sending.broken + sending.other + sending.refused > 0 {
        let (broken, other) = (sending.broken, sending.other + sending.refused);
        return Err(Failure(format!("good calls failed: {broken} broken, {other} refused")));
    }
    Ok(sending.percentile(0.99))
}

/// `slowhttptest` in one of its modes.
fn attack(
    abuse: &Abuse,
    gateway: &Gateway,
    mode: &'static [&'static str],
) -> Result<impl Future<Output = Result<(), Failure>> + use<>, Failure> {
    let url = format!("http://{}/dcs/kyc2/large", gateway.address());
    let (connections, seconds) = (abuse.connections.to_string(), abuse.seconds.to_string());
    let mut child = Command::new("slowhttptest")
        .args(mode)
        .args(["-c", &connections, "-r", &connections, "-l", &seconds, "-p", "60", "-u", &url])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(async move {
        child.wait().await?;
        Ok(())
    })
}

/// Connections that say nothing, held until the time is over.
async fn idle(gateway: SocketAddr, count: u64, time: Duration) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(TcpStream::connect(gateway).await?);
    }
    sleep(time.saturating_sub(begun.elapsed())).await;
    drop(held);
    Ok(())
}

async fn open(admin: SocketAddr) -> Result<u64, Failure> {
    let answer = reqwest::get(format!("http://{admin}/metrics")).await;
    let text = answer.map_err(|error| Failure(error.to_string()))?.text().await.unwrap_or_default();
    let gauge = "gateway_downstream_connections{listener=\"main\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(gauge));
    value.and_then(|value| value.parse().ok()).ok_or_else(|| Failure("no gauge of connections".to_owned()))
}

/// `/large` has 4 MiB, everything else two bytes.
fn body(head: &str) -> Option<Vec<u8>> {
    Some(if head.starts_with("GET /v3.6/large") { vec![b'x'; 4 << 20] } else { b"{}".to_vec() })
}

/// As many as the system lets this process have.
fn allow_descriptors() -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, all).map_err(|error| Failure(format!("descriptors: {error}")))
}

const MODES: [(&str, &[&str]); 4] = [
    ("slow headers (-H)", &["-H", "-i", "1", "-x", "24"]),
    ("slow body (-B)", &["-B", "-i", "1", "-x", "10", "-s", "100000", "-t", "POST", "-j", COOKIE]),
    ("ranges (-R)", &["-R", "-a", "5", "-b", "3000", "-j", COOKIE]),
    ("slow read (-X)", &["-X", "-n", "1", "-w", "512", "-y", "1024", "-z", "32", "-k", "1", "-j", COOKIE]),
];
/// slowhttptest has no other way to a field: with a tenant the attacks go as far as calls do. Good calls are another's.
const COOKIE: &str = "a=b\r\nSubscriptionId: sub-acme";
/// Below this, in milliseconds, a p99 is the machine's and not the gateway's.
const NOISE: f64 = 5.0;
/// MiB.
const MOST_MEMORY: u64 = 400;
const DEADLINE: Duration = Duration::from_secs(5);
const CONFIG: &str = "[admin]\naddress = \"127.0.0.1:0\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n\
                      [downstream]\nmax_connections = 20000\nhead = \"5s\"\nread = \"5s\"\nwrite = \"5s\"\nkeepalive = \"5s\"\n\
                      [tenants]\nsource = \"file\"\nfile.path = \"tenants.json\"\n\
                      [[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\n\
                      [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n";
