//! Gateways and databases that are killed, under load.

use std::path::PathBuf;
use std::time::Duration;

use kyc_harness::postgres::Postgres;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, Plan};
use crate::sender::{Load, Sender, notification};
use crate::verdict::Verdict;
use crate::{Failure, progress};

/// What a crash test does.
#[derive(Clone, Debug)]
pub struct Crash {
    /// `failing-gateway`.
    pub binary: PathBuf,
    /// How many gateways; more than one share a PostgreSQL database.
    pub gateways: usize,
    /// Notifications in a second, all gateways together.
    pub rate: u64,
    /// Faults at random moments.
    pub faults: usize,
    /// Kills at each named point.
    pub at_points: usize,
    /// The seed of moments and faults.
    pub seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Kills a gateway, so long after it was ready.
    Kill { gateway: usize, after: Duration },
    /// A gateway kills itself at a point, at its so many-th passage.
    Point { gateway: usize, name: &'static str, count: u32 },
    /// Kills the database, which starts again.
    Database { after: Duration },
    /// Breaks all connections to the database.
    Connections { after: Duration },
    /// Freezes a gateway until its claims have run out.
    Freeze { gateway: usize, after: Duration },
}

/// Runs it.
///
/// # Errors
///
/// What could not be run; a bad result is a [`Verdict`].
pub async fn run(crash: &Crash) -> Result<Verdict, Failure> {
    let mut random = StdRng::seed_from_u64(crash.seed);
    let mut database = (crash.gateways > 1).then(Postgres::start).transpose()?;
    let plan = Plan {
        binary: crash.binary.clone(),
        gateways: crash.gateways,
        tenants: TENANTS,
        database: database.as_ref().map(Postgres::url),
        settings: SETTINGS.to_owned(),
        keep: false,
        sync: true,
    };
    let mut fleet = Fleet::start(&plan).await?;
    let sender = Sender::start(Load {
        rate: crash.rate,
        tenants: TENANTS,
        base: 0,
        lanes: LANES,
        limit: u64::MAX,
        first: 0,
        gateways: fleet.addresses(),
        request: notification,
    });
    let faults = faults(crash, &mut random);
    let (all, begun) = (faults.len(), Instant::now());
    for (number, fault) in faults.into_iter().enumerate() {
        strike(&mut fleet, &mut database, fault).await?;
        if (number + 1).is_multiple_of(10) || number + 1 == all {
            let accepted = sender.accepted();
            progress(&format!(
                "{} of {all} faults, {accepted} accepted, {:.0}/s",
                number + 1,
                accepted as f64 / begun.elapsed().as_secs_f64()
            ));
        }
    }
    let sending = sender.stop().await?;
    progress(&format!(
        "seed {}: {} answered 200, {} answered 503, {} without an answer, {} with another; draining",
        crash.seed,
        sending.accepted.len(),
        sending.refused,
        sending.broken,
        sending.other
    ));
    if sending.other > 0 {
        return Err(Failure(format!("{} answers were neither 200 nor 503", sending.other)));
    }
    fleet.drain().await?;
    progress(&format!("late results fenced: {}", fleet.logged(FENCED)?));
    let verdict = Verdict::of(&fleet, &sending, bound(all)).await?;
    for gateway in &mut fleet.gateways {
        let ended = gateway.stop().await?;
        if ended.is_none_or(|status| !status.success()) {
            return Err(Failure(format!("a gateway ended with {ended:?}")));
        }
    }
    Ok(verdict)
}

/// The faults in an order that the seed decides.
fn faults(crash: &Crash, random: &mut StdRng) -> Vec<Fault> {
    let moment = |random: &mut StdRng| Duration::from_millis(random.random_range(20..700));
    let mut faults = Vec::new();
    for _ in 0..crash.faults {
        let (after, gateway) = (moment(random), random.random_range(0..crash.gateways));
        let kind = if crash.gateways > 1 { random.random_range(0..8) } else { 0 };
        faults.push(match kind {
            0..=3 => Fault::Kill { gateway, after },
            4 | 5 => Fault::Connections { after },
            6 => Fault::Database { after },
            _ => Fault::Freeze { gateway, after },
        });
    }
    // One statement inserts and commits in PostgreSQL, so there is nothing in between.
    let points = POINTS.into_iter().filter(|name| crash.gateways == 1 || *name != "inserted");
    for name in points {
        for _ in 0..crash.at_points {
            let gateway = random.random_range(0..crash.gateways);
            let place = random.random_range(0..=faults.len());
            faults.insert(place, Fault::Point { gateway, name, count: random.random_range(1..300) });
        }
    }
    faults
}

async fn strike(fleet: &mut Fleet, database: &mut Option<Postgres>, fault: Fault) -> Result<(), Failure> {
    match fault {
        Fault::Kill { gateway, after } => {
            sleep(after).await;
            let gateway = fleet.gateway(gateway)?;
            gateway.kill().await?;
            gateway.start(None).await?;
        }
        Fault::Point { gateway, name, count } => {
            let gateway = fleet.gateway(gateway)?;
            gateway.kill().await?;
            gateway.start(Some((name, count))).await?;
            if !gateway.ended(POINT_TIMEOUT).await? {
                return Err(Failure(format!("nothing passed `{name}` {count} times in {POINT_TIMEOUT:?}")));
            }
            gateway.start(None).await?;
        }
        Fault::Database { after } => {
            sleep(after).await;
            if let Some(database) = database {
                tokio::task::block_in_place(|| database.crash())?;
            }
        }
        Fault::Connections { after } => {
            sleep(after).await;
            if let Some(database) = database {
                tokio::task::block_in_place(|| database.terminate_connections())?;
            }
        }
        Fault::Freeze { gateway, after } => {
            sleep(after).await;
            let gateway = fleet.gateway(gateway)?;
            gateway.signal("-STOP").await?;
            sleep(FROZEN).await;
            gateway.signal("-CONT").await?;
        }
    }
    Ok(())
}

/// What is under way in one gateway can come twice for each fault, and each kill at a point is two: it is killed to
/// be started with the point.
fn bound(faults: usize) -> usize {
    faults * 2 * IN_FLIGHT
}

const TENANTS: usize = 4;
const LANES: usize = 64;
const IN_FLIGHT: usize = 64;
/// The log line of a result whose claim had expired.
const FENCED: &str = "the claim expired before the delivery ended";
/// Everything that takes hours is done in seconds; a claim holds for two.
const SETTINGS: &str = "delivery.schedule = [\"20ms\", \"50ms\", \"150ms\", \"300ms\"]\ndelivery.attempt = \"1s\"\ndelivery.lease = \"2s\"\n\
                        delivery.in_flight = 16\ndelivery.breaker_open = \"50ms\"\n\
                        delivery.breaker_longest = \"300ms\"\ndelivery.login_probe = \"100ms\"\n";
/// Longer than a claim.
const FROZEN: Duration = Duration::from_secs(3);
const POINT_TIMEOUT: Duration = Duration::from_secs(30);
/// Where the gateway kills itself: with the body read and nothing else done, with events inserted and not
/// committed, committed and not answered, claimed and not sent, with the portal's answer not recorded, and recorded
/// and not known to the dispatcher.
const POINTS: [&str; 6] = ["received", "inserted", "committed", "claimed", "answered", "recorded"];
