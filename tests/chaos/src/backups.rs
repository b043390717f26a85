//! Backups of a running gateway: each one is restored in a folder of its own, verified, and searched for every event that
//! was acknowledged before the backup began.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, Plan};
use crate::notification::parse;
use crate::sender::{Load, Sender, notification};
use crate::verdict::Verdict;
use crate::{Failure, progress};

/// What the test of backups does.
#[derive(Clone, Debug)]
pub struct Backups {
    /// The gateway.
    pub binary: PathBuf,
    /// Notifications in a second.
    pub rate: u64,
    /// Backups.
    pub rounds: usize,
}

/// A copy of the store, restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Notifications that were answered 200 before the copy was begun.
    pub acknowledged: usize,
    /// Those of them that are not in the copy.
    pub missing: Vec<u64>,
    /// Events in the copy whose bodies are not those that were sent.
    pub altered: usize,
    /// Events in the copy.
    pub events: usize,
    /// How long the copy took.
    pub took: Duration,
    /// What `events verify` says.
    pub verified: String,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The copies of the running gateway.
    pub backups: Vec<Restored>,
    /// The store's file alone, after the gateway has ended by SIGTERM.
    pub after_exit: Restored,
    /// Whether the write-ahead log was gone, or empty, then.
    pub is_alone: bool,
    /// What became of the load.
    pub verdict: Verdict,
    /// Notifications that were answered in a second.
    pub rate: f64,
    /// The p99 of acknowledgements, in milliseconds.
    pub p99: f64,
}

/// Runs it.
///
/// # Errors
///
/// What could not be run, and a copy that is not whole.
pub async fn run(backups: &Backups) -> Result<Found, Failure> {
    let plan = Plan {
        binary: backups.binary.clone(),
        gateways: 1,
        tenants: TENANTS,
        database: None,
        settings: String::new(),
        keep: false,
        sync: true,
    };
    let mut fleet = Fleet::start(&plan).await?;
    let begun = Instant::now();
    let sender = Sender::start(Load {
        rate: backups.rate,
        tenants: TENANTS,
        base: 0,
        lanes: LANES,
        limit: u64::MAX,
        first: 0,
        gateways: fleet.addresses(),
        request: notification,
    });
    let mut copies = Vec::new();
    for round in 0..backups.rounds {
        sleep(BETWEEN).await;
        let acknowledged = sender.acknowledged();
        let place = Place::make(&fleet, &format!("restored-{round}"))?;
        let started = Instant::now();
        let (binary, config, to) =
            (backups.binary.clone(), fleet.gateway(0)?.config().to_owned(), place.store());
        blocking(move || events(&binary, "backup", &config, &[path(&to)])).await?;
        let took = started.elapsed();
        let binary = backups.binary.clone();
        let restored = blocking(move || place.check(&binary, &acknowledged, took)).await?;
        progress(&format!("backup {} of {}: {restored}", round + 1, backups.rounds));
        copies.push(restored);
    }
    let sending = sender.stop().await?;
    let seconds = begun.elapsed().as_secs_f64();
    fleet.drain().await?;
    let verdict = Verdict::of(&fleet, &sending, 0).await?;
    let ended = fleet.gateway(0)?.stop().await?;
    if ended.is_none_or(|status| !status.success()) {
        return Err(Failure(format!("the gateway ended with {ended:?}")));
    }
    let store = fleet.folder().join("store");
    // What is not there, or is empty, holds no event.
    let is_alone = fs::metadata(store.join("events.db-wal")).map_or(true, |log| log.len() == 0);
    let place = Place::make(&fleet, "restored-after-exit")?;
    fs::copy(store.join("events.db"), place.store())?;
    let acknowledged: Vec<u64> = sending.accepted.iter().map(|sent| sent.number).collect();
    let binary = backups.binary.clone();
    let after_exit = blocking(move || place.check(&binary, &acknowledged, Duration::ZERO)).await?;
    let rate = sending.accepted.len() as f64 / seconds;
    Ok(Found { backups: copies, after_exit, is_alone, verdict, rate, p99: sending.percentile(0.99) })
}

/// Where a copy is restored: a folder with the configuration and the key.
struct Place(PathBuf);

// === impl Place ===

impl Place {
    fn make(fleet: &Fleet, name: &str) -> Result<Self, Failure> {
        let folder = fleet.folder().join(name);
        fs::create_dir_all(folder.join("store"))?;
        for file in ["gateway-0.toml", "tenants.json", "store/events.db.key"] {
            fs::copy(fleet.folder().join(file), folder.join(file))?;
        }
        Ok(Self(folder))
    }

    fn store(&self) -> PathBuf {
        self.0.join("store/events.db")
    }

    /// Verifies the copy, reads all of it, and deletes it.
    fn check(&self, binary: &Path, acknowledged: &[u64], took: Duration) -> Result<Restored, Failure> {
        let config = self.0.join("gateway-0.toml");
        let verified = events(binary, "verify", &config, &[path(&self.store())])?;
        let verified = verified.rsplit_once(": ").map_or(verified.clone(), |(_, counts)| counts.to_owned());
        let (mut there, mut altered) = (HashSet::new(), 0);
        let mut export = command(binary, "export", &config, &["--reason".to_owned(), "a test".to_owned()])
            .stdout(Stdio::piped())
            .spawn()?;
        for line in export.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
            let event: serde_json::Value =
                serde_json::from_str(&line?).map_err(|error| Failure::from(("export", error)))?;
            match event.get("body").and_then(serde_json::Value::as_str).and_then(parse) {
                Some((_, number)) => drop(there.insert(number)),
                None => altered += 1,
            }
        }
        if !export.wait()?.success() {
            return Err(Failure("a copy cannot be exported".to_owned()));
        }
        fs::remove_dir_all(&self.0)?;
        let missing = acknowledged.iter().copied().filter(|number| !there.contains(number)).collect();
        let events = there.len();
        Ok(Restored { acknowledged: acknowledged.len(), missing, altered, events, took, verified })
    }
}

// === impl Restored ===

impl Restored {
    fn holds(&self) -> bool {
        self.missing.is_empty() && self.altered == 0
    }
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged before, {} events in the copy ({}), {} missing, {} altered, written in {:.1} s",
            self.acknowledged,
            self.events,
            self.verified.trim(),
            self.missing.len(),
            self.altered,
            self.took.as_secs_f64()
        )?;
        match self.missing.get(..self.missing.len().min(SHOWN)) {
            Some(shown) if !shown.is_empty() => write!(f, "; missing are {shown:?}"),
            Some(_) | None => Ok(()),
        }
    }
}

// === impl Found ===

impl Found {
    /// Says whether every copy has every event that it must have.
    pub fn holds(&self) -> bool {
        self.backups.iter().all(Restored::holds)
            && self.after_exit.holds()
            && self.is_alone
            && self.verdict.holds()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, backup) in (1..).zip(&self.backups) {
            writeln!(f, "backup {number:>2}: {backup}")?;
        }
        let alone = if self.is_alone {
            "without its -wal, which is gone or empty"
        } else {
            "WHOSE -wal IS NOT EMPTY"
        };
        writeln!(f, "the file after a clean exit, {alone}: {}", self.after_exit)?;
        let whole = self.backups.iter().filter(|backup| backup.holds()).count();
        writeln!(
            f,
            "{whole} of {} backups whole; {:.0}/s, p99 {:.1} ms",
            self.backups.len(),
            self.rate,
            self.p99
        )?;
        write!(f, "{}", self.verdict)
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn command(binary: &Path, name: &str, config: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(binary);
    command.args(["events", name, "--config"]).arg(config).args(arguments).stdin(Stdio::null());
    command
}

/// Runs `events NAME`, and says what it wrote.
fn events(binary: &Path, name: &str, config: &Path, arguments: &[String]) -> Result<String, Failure> {
    let done = command(binary, name, config, arguments).output()?;
    if !done.status.success() {
        return Err(Failure(format!("events {name}: {}", String::from_utf8_lossy(&done.stderr))));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Does what waits for a process, and leaves the load its threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::from(("a backup", error)))?
}

const TENANTS: usize = 8;
const LANES: usize = 64;
/// The load goes on for so long before each backup.
const BETWEEN: Duration = Duration::from_secs(2);
/// Numbers of missing events that are printed.
const SHOWN: usize = 20;
