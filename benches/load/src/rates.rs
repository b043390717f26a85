//! How fast notifications are acknowledged at a fixed rate, and how fast a backlog is delivered.

use std::path::PathBuf;
use std::time::Duration;

use kyc_harness::postgres::Postgres;
use kyc_sandbox::portal::Mode;
use tokio::time::{Instant, sleep};

use kyc_chaos::fleet::{Fleet, Plan};
use kyc_chaos::sender::{Load, Sender, notification};
use kyc_chaos::verdict::Verdict;
use kyc_chaos::{Failure, progress};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Rates {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Whether events are in PostgreSQL.
    pub postgres: bool,
    /// Tenants, each with a portal.
    pub tenants: usize,
    /// Notifications in a second.
    pub rate: u64,
    /// How many seconds long.
    pub seconds: u64,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From when a notification should be sent to its answer, in milliseconds.
    pub p50: f64,
    /// The same for all but one of a hundred.
    pub p99: f64,
    /// The longest.
    pub longest: f64,
    /// Notifications answered in a second.
    pub accepted: f64,
    /// Answers 503.
    pub refused: u64,
    /// What was answered, and what the portals have.
    pub verdict: Verdict,
    /// Events delivered in a second, once the portals take them.
    pub drained: f64,
    /// Memory of the gateway with the backlog in the store, and at its peak, in MiB.
    pub memory: (u64, u64),
}

/// Measures.
///
/// # Errors
///
/// What could not be run.
pub async fn run(rates: &Rates) -> Result<Measured, Failure> {
    let database = rates.postgres.then(Postgres::start).transpose()?;
    let plan = Plan {
        binary: rates.binary.clone(),
        gateways: 1,
        tenants: rates.tenants,
        database: database.as_ref().map(Postgres::url),
        settings: SETTINGS.to_owned(),
        keep: false,
        sync: false,
    };
    let mut fleet = Fleet::start(&plan).await?;
    fleet.set_mode(&Mode::Status(503));
    let limit = rates.rate * rates.seconds;
    let load = Load {
        rate: rates.rate,
        tenants: rates.tenants,
        base: 0,
        lanes: LANES,
        limit,
        first: 0,
        gateways: fleet.addresses(),
        request: notification,
    };
    let begun = Instant::now();
    let sending = Sender::start(load).wait().await?;
    let took = begun.elapsed().as_secs_f64();
    let (kept, _) = fleet.gateway(0)?.memory();
    progress(&format!("{} accepted at {}/s; delivering them", sending.accepted.len(), rates.rate));
    fleet.set_mode(&Mode::Ok);
    fleet.renew_entries().await?;
    while !fleet.ledgers().iter().any(|ledger| ledger.metadata().is_ok_and(|file| file.len() > 0)) {
        sleep(Duration::from_millis(1)).await;
    }
    let begun = Instant::now();
    fleet.drain().await?;
    let drained = sending.accepted.len() as f64 / begun.elapsed().as_secs_f64();
    let (_, peak) = fleet.gateway(0)?.memory();
    let measured = Measured {
        p50: sending.percentile(0.5),
        p99: sending.percentile(0.99),
        longest: sending.percentile(1.0),
        accepted: sending.accepted.len() as f64 / took,
        refused: sending.refused,
        verdict: Verdict::of(&fleet, &sending, 0).await?,
        drained,
        memory: (kept, peak),
    };
    fleet.gateway(0)?.stop().await?;
    Ok(measured)
}

const LANES: usize = 128;
/// Portals that fail are left alone, whatever their number, until the tenants' entries change.
const SETTINGS: &str = "delivery.breaker_open = \"5m\"\ndelivery.breaker_longest = \"5m\"\n";
