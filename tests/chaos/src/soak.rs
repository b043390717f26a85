//! A million requests while tenants, portals and upstreams change and fail.

mod requests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kyc_harness::gateway::{Gateway, Launch};
use kyc_harness::process::memory;
use kyc_sandbox::portal::{self, Account, Mode, Portal};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::{Failure, progress, upstream};
use requests::{ask, is_right, kind, request};

/// What is tried.
#[derive(Clone, Debug)]
pub struct Soak {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Requests.
    pub requests: u64,
    /// Connections.
    pub lanes: usize,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Requests that were answered as they should be.
    pub right: u64,
    /// Answers that should have been others, each with how often it came.
    pub wrong: BTreeMap<String, u64>,
    /// Memory in KiB and descriptors, at each hundredth of the way.
    pub samples: Vec<(u64, u64)>,
    /// The same when kept connections have had their time.
    pub settled: (u64, u64),
    /// How often tenants were replaced and the portal was away.
    pub changes: (u64, u64),
    /// How long it took.
    pub took: Duration,
}

// === impl Found ===

impl Found {
    /// Says whether all were answered right, and nothing grew from the tenth to the last part: descriptors by no more
    /// than the connections to portals that are kept when a backlog is delivered, and those go again.
    pub fn holds(&self) -> bool {
        let grows = self.growth().is_none_or(|(memory, files)| memory > MOST_GROWTH || files > MOST_KEPT);
        self.wrong.is_empty() && !grows && self.samples.first().is_some_and(|first| self.settled.1 <= first.1)
    }

    /// Memory and descriptors: the most of the last tenth against those of the second.
    fn growth(&self) -> Option<(f64, i64)> {
        let tenth = self.samples.len() / 10;
        let most = |from: usize, to: usize| {
            let part = self.samples.get(from..to)?;
            Some((part.iter().map(|sample| sample.0).max()?, part.iter().map(|sample| sample.1).max()?))
        };
        let (early, late) = (most(tenth, tenth * 2)?, most(self.samples.len() - tenth, self.samples.len())?);
        let files = i64::try_from(late.1).ok()? - i64::try_from(early.1).ok()?;
        Some((late.0 as f64 / early.0 as f64, files))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong: u64 = self.wrong.values().sum();
        let all = self.right + wrong;
        let share = 100.0 * self.right as f64 / all.max(1) as f64;
        let rate = all as f64 / self.took.as_secs_f64();
        writeln!(f, "\n{all} requests, {rate:.0}/s: {share:.4} % answered as specified")?;
        writeln!(f, "tenants replaced {} times, portal away {} times", self.changes.0, self.changes.1)?;
        self.wrong.iter().try_for_each(|(what, count)| writeln!(f, "  wrong: {count} × {what}"))?;
        let most = self.samples.iter().map(|sample| sample.0).max().unwrap_or(1).max(1);
        writeln!(f, "\n{:>6}{:>10}{:>8}", "%", "MiB", "files")?;
        for (place, (memory, files)) in self.samples.iter().enumerate().skip(4).step_by(5) {
            let bar = "█".repeat(usize::try_from(memory * 40 / most).unwrap_or_default());
            writeln!(f, "{:>6}{:>10.1}{files:>8}  {bar}", place + 1, *memory as f64 / 1024.0)?;
        }
        match self.growth() {
            Some((memory, files)) => {
                writeln!(f, "last tenth against the second: memory {memory:.3}, files {files:+}")?;
            }
            None => writeln!(f, "too short to say whether it grows")?,
        }
        let (memory, files) = self.settled;
        write!(
            f,
            "after {} s without requests: {:.1} MiB, {files} files",
            SETTLES.as_secs(),
            memory as f64 / 1024.0
        )
    }
}

/// Sends all.
///
/// # Errors
///
/// What could not be run.
pub async fn run(soak: &Soak) -> Result<Found, Failure> {
    let upstream = upstream::start(body, Duration::ZERO).await?;
    let accounts = (0..TENANTS).map(|tenant| Account {
        tenant: format!("t{tenant}"),
        username: format!("user-{tenant}"),
        password: format!("password-{tenant}"),
        client_id: Some("client".to_owned()),
    });
    let settings = portal::Settings { keep: false, ..portal::Settings::new(accounts.collect()) };
    let portal = Portal::start(settings).await?;
    let folder = tempfile::tempdir()?;
    document(folder.path(), upstream, &portal.url(), 0)?;
    let config = folder.path().join("gateway.toml");
    fs::write(&config, CONFIG)?;
    let started = Gateway::start(Launch::new(&soak.binary, config)).await;
    let gateway = started.map_err(|error| Failure(error.to_string()))?;
    let (next, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let trouble = tokio::spawn(trouble(folder.path().to_owned(), upstream, portal, Arc::clone(&done)));
    let begun = Instant::now();
    let mut lanes = JoinSet::new();
    for _ in 0..soak.lanes {
        lanes.spawn(lane(gateway.address(), Arc::clone(&next), soak.requests));
    }
    let pid = gateway.pid();
    let mut samples = Vec::new();
    while samples.len() < 100 {
        let wanted = soak.requests * (samples.len() as u64 + 1) / 100;
        if next.load(Ordering::Relaxed) >= wanted {
            samples.push(sample(pid));
            if samples.len() % 10 == 0 {
                progress(&format!("{} %", samples.len()));
            }
        } else if lanes.is_empty() {
            break;
        } else {
            sleep(Duration::from_millis(5)).await;
        }
    }
    let mut found = Found { samples, ..Found::default() };
    while let Some(lane) = lanes.join_next().await {
        let (right, wrong) = lane.map_err(|error| Failure(error.to_string()))?;
        found.right += right;
        for (what, count) in wrong {
            *found.wrong.entry(what).or_default() += count;
        }
    }
    found.took = begun.elapsed();
    done.store(true, Ordering::Relaxed);
    found.changes = trouble.await.map_err(|error| Failure(error.to_string()))?;
    progress("waiting for kept connections to go");
    sleep(SETTLES).await;
    found.settled = sample(pid);
    Ok(found)
}

/// Replaces the tenants, and lets the portal fail, again and again.
async fn trouble(folder: PathBuf, upstream: SocketAddr, portal: Portal, done: Arc<AtomicBool>) -> (u64, u64) {
    let (mut replaced, mut away) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        replaced += 1;
        // The gateway keeps what it has when this cannot be read.
        let _ = document(&folder, upstream, &portal.url(), replaced);
        if replaced % 4 == 0 {
            away += 1;
            portal.set_mode(Mode::Status(503));
            sleep(Duration::from_millis(500)).await;
            portal.set_mode(Mode::Ok);
        }
        sleep(Duration::from_millis(500)).await;
    }
    (replaced, away)
}

/// One connection; what the gateway closes is opened again.
async fn lane(gateway: SocketAddr, next: Arc<AtomicU64>, requests: u64) -> (u64, BTreeMap<String, u64>) {
    let (mut right, mut wrong) = (0, BTreeMap::new());
    let mut stream = None;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return (right, wrong);
        }
        let (kind, tenant) = (kind(number), number % TENANTS);
        let answer = match ask(&mut stream, gateway, &request(kind, tenant, number)).await {
            Ok(answer) => answer,
            Err(error) => {
                stream = None;
                format!("no answer: {error}")
            }
        };
        match is_right(kind, tenant, &answer) {
            true => right += 1,
            false => *wrong.entry(answer.lines().next().unwrap_or_default().to_owned()).or_default() += 1,
        }
        if answer.contains("onnection: close") {
            stream = None;
        }
    }
}

fn sample(pid: u32) -> (u64, u64) {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    (memory(pid).now, u64::try_from(files).unwrap_or(0))
}

fn document(folder: &Path, upstream: SocketAddr, portal: &str, generation: u64) -> Result<(), Failure> {
    let tenants: Vec<_> = (0..TENANTS)
        .map(|tenant| {
            json!({
                "Name": format!("t{tenant}"), "subscriptionId": format!("sub-{tenant}"),
                "apiToken": format!("token-{tenant}-{generation}"), "webhookToken": format!("sign-{tenant}"),
                "ftosEndpoint": portal, "ftosUsername": format!("user-{tenant}"),
                "ftosPassword": format!("password-{tenant}"), "ftosClientId": "client",
            })
        })
        .collect();
    let text = json!({
        "Onfido-BaseUrl": format!("http://{upstream}/v3.6"),
        "Onfido-ApiTokens": json!(tenants).to_string(),
        "serilog-logLevel": "Fatal",
    });
    let draft = folder.join("draft.json");
    fs::write(&draft, text.to_string())?;
    Ok(fs::rename(draft, folder.join("tenants.json"))?)
}

/// Which token a call had; `/reset` has no answer.
fn body(head: &str) -> Option<Cow<'static, [u8]>> {
    if head.starts_with("GET /v3.6/reset") {
        return None;
    }
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let token = fields.filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value);
    Some(token.collect::<String>().into_bytes().into())
}

const TENANTS: u64 = 20;
/// As many as events are sent at a time (`delivery.total_in_flight`).
const MOST_KEPT: i64 = 64;
/// Longer than any connection is kept without use.
const SETTLES: Duration = Duration::from_secs(45);
/// Of memory, at the end against a tenth of the way.
const MOST_GROWTH: f64 = 1.1;
const CONFIG: &str = "[admin]\naddress = \"127.0.0.1:0\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n\
                      [doctor]\nenabled = false\n[tenants]\nsource = \"file\"\npoll = \"200ms\"\nfile.path = \"tenants.json\"\n";
