//! Callers that are slow on purpose, by the thousand, and what good ones notice of them.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kyc_harness::gateway::{Gateway, Launch};
use kyc_harness::process::memory;
use reqwest::Client;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep};

use crate::sender::{Load, Sender, Sending};
use crate::upstream::nice;
use crate::{Failure, progress, upstream};

/// What is tried.
#[derive(Clone, Debug)]
pub struct Abuse {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Good calls in a second,
    pub rate: u64,
    /// and how long their upstream takes for an answer.
    pub answer: Duration,
    /// Connections of each attack,
    pub connections: u64,
    /// and how many of them are made in a second.
    pub pace: u64,
    /// Connections that say nothing.
    pub idle: u64,
    /// Seconds of each attack.
    pub seconds: u64,
    /// Only attacks whose names hold this.
    pub only: String,
}

/// One part, and what good callers had meanwhile.
#[derive(Clone, Debug)]
pub struct Part {
    /// What was done.
    pub name: &'static str,
    /// Good calls' p99 before and after, in milliseconds.
    pub calm: f64,
    /// The same meanwhile.
    pub meanwhile: f64,
    /// The same meanwhile of calls that go to the upstream itself: what the machine alone makes of them.
    pub control: f64,
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
    "attack                     open      calm   meanwhile  machine   ratio    left   MiB ≤ 400";

// === impl Part ===

impl Part {
    /// Says whether good callers were served as before, and slow ones closed.
    pub fn holds(&self) -> bool {
        self.left == 0 && self.memory <= MOST_MEMORY && self.meanwhile <= 2.0 * self.calm
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<22}{:>9}{:>10.2}{:>12.2}{:>9.2}{:>8.2}{:>8}{:>10}",
            self.name,
            self.open,
            self.calm,
            self.meanwhile,
            self.control,
            self.meanwhile / self.calm,
            self.left,
            self.memory
        )
    }
}

/// Who takes part.
struct Field<'a> {
    abuse: &'a Abuse,
    gateway: &'a Gateway,
    upstream: SocketAddr,
}

/// Tries one part after the other.
///
/// # Errors
///
/// What could not be run, and good calls that were not answered 200.
pub async fn run(abuse: &Abuse) -> Result<Vec<Part>, Failure> {
    allow_descriptors()?;
    let upstream = upstream::start(|_| Some(b"{}".as_slice().into()), abuse.answer).await?;
    let (_apart, large) = upstream::start_apart().await?;
    let folder = tempfile::tempdir()?;
    let document = json!({
        "Onfido-BaseUrl": format!("http://{upstream}/v3.6"),
        "Onfido-ApiTokens": json!([tenant("acme", large), tenant("good", upstream)]).to_string(),
        "serilog-logLevel": "Error",
    });
    fs::write(folder.path().join("tenants.json"), document.to_string())?;
    let config = folder.path().join("gateway.toml");
    fs::write(&config, CONFIG)?;
    let started = Gateway::start(Launch::new(&abuse.binary, config)).await;
    let gateway = started.map_err(|error| Failure(error.to_string()))?;
    let mut parts = Vec::new();
    let field = Field { abuse, gateway: &gateway, upstream };
    for (name, mode) in MODES.into_iter().filter(|(name, _)| name.contains(&abuse.only)) {
        progress(&format!("{name}: {} connections for {} s", abuse.connections, abuse.seconds));
        parts.push(field.try_part(name, abuse.seconds, || attack(abuse, &gateway, mode)).await?);
    }
    if "idle".contains(&abuse.only) {
        progress(&format!("{} idle connections", abuse.idle));
        let held = || Ok(idle(gateway.address(), abuse.idle));
        parts.push(field.try_part("idle", IDLE.as_secs(), held).await?);
    }
    Ok(parts)
}

fn tenant(name: &str, upstream: SocketAddr) -> Value {
    json!({
        "Name": name, "subscriptionId": format!("sub-{name}"), "apiToken": format!("token-{name}"),
        "webhookToken": format!("sign-{name}"), "baseUrl": format!("http://{upstream}/v3.6"),
        "ftosEndpoint": "http://127.0.0.1:9", "ftosUsername": "user", "ftosPassword": "password",
    })
}

// === impl Field ===

impl Field<'_> {
    /// Measures good calls before, beside and after something, and looks at connections and memory.
    async fn try_part<A: Future<Output = Result<(), Failure>> + Send + 'static>(
        &self,
        name: &'static str,
        seconds: u64,
        attack: impl FnOnce() -> Result<A, Failure>,
    ) -> Result<Part, Failure> {
        let (mut calm, _) = self.measure(CALM).await?;
        let attack = tokio::spawn(attack()?);
        let (admin, client) = (self.gateway.admin(), Client::new());
        let own = client.clone();
        let most = tokio::spawn(async move {
            let mut most = 0;
            for _ in 0..seconds {
                most = most.max(open(&own, admin).await.unwrap_or_default());
                sleep(Duration::from_secs(1)).await;
            }
            most
        });
        let (meanwhile, control) = self.measure(seconds).await?;
        let most = most.await.map_err(|error| Failure(error.to_string()))?;
        attack.await.map_err(|error| Failure(error.to_string()))??;
        // Each deadline is over by now, for the last one of them too.
        let begun = Instant::now();
        let mut left = open(&client, admin).await?;
        while left > 0 && begun.elapsed() < DEADLINE * 2 {
            sleep(Duration::from_millis(100)).await;
            left = open(&client, admin).await?;
        }
        calm.accepted.extend(self.measure(CALM).await?.0.accepted);
        let [calm, meanwhile, control] = [calm, meanwhile, control].map(|sending| sending.percentile(0.99));
        Ok(Part { name, calm, meanwhile, control, open: most, left, memory: self.memory() })
    }

    /// Good calls through the gateway, and as many to the upstream itself.
    async fn measure(&self, seconds: u64) -> Result<(Sending, Sending), Failure> {
        let rate = self.abuse.rate;
        tokio::try_join!(
            good_calls(rate, seconds, self.gateway.address()),
            good_calls(rate, seconds, self.upstream)
        )
    }

    /// The most that the gateway took so far, in MiB.
    fn memory(&self) -> u64 {
        memory(self.gateway.pid()).peak / 1024
    }
}

async fn good_calls(rate: u64, seconds: u64, server: SocketAddr) -> Result<Sending, Failure> {
    let sender = Sender::start(Load {
        rate,
        tenants: 1,
        base: 0,
        lanes: 64,
        limit: rate * seconds,
        first: 0,
        gateways: vec![server],
        request: |_, _| {
            b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: gateway\r\nSubscriptionId: sub-good\r\n\r\n".to_vec()
        },
    });
    let sending = sender.wait().await?;
    if sending.broken + sending.other + sending.refused > 0 {
        let (broken, other) = (sending.broken, sending.other + sending.refused);
        return Err(Failure(format!("good calls failed: {broken} broken, {other} refused")));
    }
    Ok(sending)
}

/// `slowhttptest` in one of its modes.
fn attack(
    abuse: &Abuse,
    gateway: &Gateway,
    mode: &'static [&'static str],
) -> Result<impl Future<Output = Result<(), Failure>> + use<>, Failure> {
    let url = format!("http://{}/dcs/kyc2/documents/1/download", gateway.address());
    let (connections, pace, seconds) =
        (abuse.connections.to_string(), abuse.pace.to_string(), abuse.seconds.to_string());
    // Attackers have machines of their own: here they may not take the gateway's time.
    let mut child = nice(Path::new("slowhttptest"))
        .args(mode)
        .args(["-c", &connections, "-r", &pace, "-l", &seconds, "-p", "60", "-u", &url])
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
async fn idle(gateway: SocketAddr, count: u64) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut held = Vec::new();
    let mut turns = interval(TURN);
    while (held.len() as u64) < count {
        turns.tick().await;
        for _ in 0..(count - held.len() as u64).min(IDLE_IN_A_TURN) {
            held.push(TcpStream::connect(gateway).await?);
        }
    }
    sleep(IDLE.saturating_sub(begun.elapsed())).await;
    drop(held);
    Ok(())
}

async fn open(client: &Client, admin: SocketAddr) -> Result<u64, Failure> {
    let answer = client.get(format!("http://{admin}/metrics")).send().await;
    let text = answer.map_err(|error| Failure(error.to_string()))?.text().await.unwrap_or_default();
    let gauge = "kyc_gateway_downstream_connections{listener=\"main\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(gauge));
    value.and_then(|value| value.parse().ok()).ok_or_else(|| Failure("no gauge of connections".to_owned()))
}

/// As many as the system lets this process have.
fn allow_descriptors() -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, all).map_err(|error| Failure(format!("descriptors: {error}")))
}

/// As slowhttptest's manual shows them.
const MODES: [(&str, &[&str]); 4] = [
    ("slow headers (-H)", &["-H", "-i", "1", "-x", "24"]),
    ("slow body (-B)", &["-B", "-i", "1", "-x", "10", "-s", "100000", "-t", "POST", "-j", COOKIE]),
    ("ranges (-R)", &["-R", "-a", "5", "-b", "3000", "-j", COOKIE]),
    ("slow read (-X)", &["-X", "-n", "1", "-w", "512", "-y", "1024", "-z", "32", "-k", "1", "-j", COOKIE]),
];
/// slowhttptest has no other way to a field: with a tenant the attacks go as far as calls do. Good calls are another's.
const COOKIE: &str = "a=b\r\nSubscriptionId: sub-acme";
/// The silent ones come 2,000 in a second, so that all are there before the first of them is closed.
const TURN: Duration = Duration::from_millis(10);
const IDLE_IN_A_TURN: u64 = 20;
/// Seconds before and after an attack in which good calls are alone.
const CALM: u64 = 20;
/// All of the silent ones are there for some of it, and closed at its end.
const IDLE: Duration = Duration::from_secs(16);
/// MiB.
const MOST_MEMORY: u64 = 400;
const DEADLINE: Duration = Duration::from_secs(10);
const CONFIG: &str = "[admin]\naddress = \"127.0.0.1:0\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n\
                      [downstream]\nmax_connections = 20000\nhead = \"10s\"\nread = \"10s\"\nwrite = \"10s\"\nkeepalive = \"10s\"\n\
                      [doctor]\nenabled = false\n[tenants]\nsource = \"file\"\nfile.path = \"tenants.json\"\n\
                      [[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\n\
                      [[routes.plugins]]\nplugin = \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\n";
