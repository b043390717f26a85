//! A million waiting events: how long a start takes, and how fast notifications are acknowledged while all of them are
//! changed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kyc_harness::postgres::Postgres;
use kyc_sandbox::portal::Mode;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use kyc_chaos::fleet::{Fleet, Plan};
use kyc_chaos::sender::{Load, Sender, notification};
use kyc_chaos::{Failure, progress};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Waiting events.
    pub events: u64,
    /// Notifications in a second meanwhile.
    pub rate: u64,
    /// Whether events are in PostgreSQL.
    pub postgres: bool,
}

/// What went on, and what notifications noticed of it.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    name: &'static str,
    /// Seconds.
    took: f64,
    /// Milliseconds to acknowledge: p50, p99 and the longest; none for a start.
    times: Option<[f64; 3]>,
    /// Answers 503.
    refused: u64,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14}{:>8.2} s", self.name, self.took)?;
        match self.times {
            Some([p50, p99, longest]) => write!(
                f,
                "   acknowledged: p50 {p50:>7.2}, p99 {p99:>8.2}, max {longest:>8.1} ms; {} refused",
                self.refused
            ),
            None => Ok(()),
        }
    }
}

/// Measures.
///
/// # Errors
///
/// What could not be run.
pub async fn run(bulk: &Bulk) -> Result<Vec<Phase>, Failure> {
    let database = bulk.postgres.then(Postgres::start).transpose()?;
    let url = database.as_ref().map(Postgres::url);
    let plan = Plan {
        binary: bulk.binary.clone(),
        gateways: 1,
        tenants: TENANTS,
        database: url.clone(),
        settings: SETTINGS.to_owned(),
        keep: false,
        sync: true,
    };
    let mut fleet = Fleet::start(&plan).await?;
    fleet.set_mode(&Mode::Status(503));
    let filled = Sender::start(load(&fleet, FILL, bulk.events, 0)).wait().await?;
    progress(&format!("{} events wait", filled.accepted.len()));
    fleet.gateway(0)?.stop().await?;
    hold_all(fleet.folder(), url.as_deref()).await?;
    let begun = Instant::now();
    fleet.gateway(0)?.start(None).await?;
    let mut phases =
        vec![Phase { name: "start", took: begun.elapsed().as_secs_f64(), times: None, refused: 0 }];
    phases.push(beside(&fleet, bulk, "calm", sleep(LENGTH)).await?);
    fleet.set_mode(&Mode::Ok);
    phases.push(beside(&fleet, bulk, "pull forward", sleep(LENGTH)).await?);
    fleet.set_mode(&Mode::Status(503));
    for (name, command) in
        [("replay", "replay?state=waiting&rate=1000000"), ("discard", "discard?state=waiting")]
    {
        let mut changed = Ok(String::new());
        phases.push(beside(&fleet, bulk, name, async { changed = fleet.change(command).await }).await?);
        changed?;
    }
    // What was discarded is old enough at once.
    phases.push(beside(&fleet, bulk, "sweep", sleep(LENGTH)).await?);
    fleet.gateway(0)?.stop().await?;
    Ok(phases)
}

/// Acknowledgements while something else goes on.
async fn beside(
    fleet: &Fleet,
    bulk: &Bulk,
    name: &'static str,
    work: impl Future<Output = ()>,
) -> Result<Phase, Failure> {
    // Each phase has its own numbers.
    let first = FIRST + u64::try_from(name.len()).unwrap_or_default() * FIRST;
    let sender = Sender::start(load(fleet, bulk.rate, u64::MAX / 2_000_000_000, first));
    let begun = Instant::now();
    work.await;
    let took = begun.elapsed();
    sleep(LEAST.saturating_sub(took)).await;
    let sending = sender.stop().await?;
    let times = [sending.percentile(0.5), sending.percentile(0.99), sending.percentile(1.0)];
    let phase = Phase { name, took: took.as_secs_f64(), times: Some(times), refused: sending.refused };
    progress(&phase.to_string());
    Ok(phase)
}

fn load(fleet: &Fleet, rate: u64, limit: u64, first: u64) -> Load {
    let gateways = fleet.addresses();
    Load { rate, tenants: TENANTS, base: 0, lanes: 128, limit, first, gateways, request: notification }
}

/// Makes all events wait for their portals, as if each had been tried once.
async fn hold_all(folder: &Path, database: Option<&str>) -> Result<(), Failure> {
    let mut command = match database {
        Some(url) => {
            let mut command = Command::new("psql");
            command.arg(url).args(["-q", "-c", HOLD_POSTGRES, "-c", "VACUUM ANALYZE event"]);
            command
        }
        None => {
            let mut command = Command::new("python3");
            command.args(["-c", HOLD_SQLITE]).arg(folder.join("store/events.db"));
            command
        }
    };
    match command.status().await?.success() {
        true => Ok(()),
        false => Err(Failure("the events cannot be prepared".to_owned())),
    }
}

const HOLD_SQLITE: &str = "import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
store.execute('UPDATE event SET held = 1, attempts = 1, due_ms = due_ms + 14400000 WHERE state = 0')
store.commit()";
const HOLD_POSTGRES: &str =
    "UPDATE event SET held = 1, attempts = 1, due = due + interval '4 hours' WHERE state = 0";
const TENANTS: usize = 8;
/// Notifications in a second while the store is filled.
const FILL: u64 = 5000;
const FIRST: u64 = 1_000_000_000;
const LENGTH: Duration = Duration::from_secs(20);
const LEAST: Duration = Duration::from_secs(10);
const SETTINGS: &str = "delivery.breaker_open = \"500ms\"\ndelivery.breaker_longest = \"1s\"\n\
                        events.keep_dead = \"1s\"\n";
