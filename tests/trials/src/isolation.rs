//! One portal that hangs, with a backlog behind it, beside others that work.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use kyc_sandbox::portal::Mode;

use crate::fleet::{Fleet, Plan};
use crate::notification::parse;
use crate::sender::{Load, Sender, Sending, notification, percentile};
use crate::{Failure, progress};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// Events of the tenant whose portal hangs.
    pub backlog: u64,
    /// Notifications in a second for the others together.
    pub rate: u64,
    /// Seconds of a round.
    pub seconds: u64,
    /// Rounds; each one measures with and without the backlog.
    pub rounds: u64,
}

/// From receipt to delivery, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Half of the events.
    pub p50: f64,
    /// All but one of a hundred.
    pub p99: f64,
}

/// A round: without the backlog, and with it.
pub type Round = (Times, Times);

/// Measures.
///
/// # Errors
///
/// What could not be run, and events that were lost.
pub async fn run(isolation: &Isolation) -> Result<Vec<Round>, Failure> {
    let plan = Plan {
        binary: isolation.binary.clone(),
        gateways: 1,
        tenants: TENANTS,
        database: None,
        settings: String::new(),
        keep: true,
    };
    let (calm, loaded) = (Fleet::start(&plan).await?, Fleet::start(&plan).await?);
    if let Some(dead) = loaded.portals.first() {
        dead.set_mode(Mode::Hang);
    }
    progress(&format!("{} events for a portal that hangs", isolation.backlog));
    let filled = Sender::start(load(&loaded, 0, 1, 4_000, isolation.backlog, 0)).wait().await?;
    progress(&format!("{} stored, {} refused", filled.accepted.len(), filled.refused));
    let mut rounds = Vec::new();
    for round in 0..isolation.rounds {
        let mut measured = Vec::new();
        for fleet in [&calm, &loaded] {
            let events = isolation.rate * isolation.seconds;
            let first = (round + 1) * FIRST;
            let load = load(fleet, 1, TENANTS - 1, isolation.rate, events, first);
            let sending = Sender::start(load).wait().await?;
            measured.push(times(fleet, &sending).await?);
        }
        if let [without, with] = measured[..] {
            progress(&format!(
                "round {}: p99 {:.1} ms, with the backlog {:.1} ms",
                round + 1,
                without.p99,
                with.p99
            ));
            rounds.push((without, with));
        }
    }
    Ok(rounds)
}

fn load(fleet: &Fleet, base: usize, tenants: usize, rate: u64, limit: u64, first: u64) -> Load {
    Load { rate, tenants, base, lanes: 32, limit, first, gateways: fleet.addresses(), request: notification }
}

/// Waits until everything is at its portal, and says how long that took for each.
async fn times(fleet: &Fleet, sending: &Sending) -> Result<Times, Failure> {
    let mut arrivals: HashMap<u64, SystemTime> = HashMap::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !sending.accepted.iter().all(|sent| arrivals.contains_key(&sent.number)) {
        if tokio::time::Instant::now() > deadline {
            return Err(Failure("an event of a tenant whose portal works is not delivered".to_owned()));
        }
        for portal in fleet.portals.iter().skip(1) {
            for delivery in portal.deliveries().all() {
                if let Some((_, number)) = parse(&String::from_utf8_lossy(&delivery.event)) {
                    arrivals.entry(number).or_insert(delivery.at);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    fleet.portals.iter().for_each(|portal| portal.deliveries().clear());
    let mut times: Vec<Duration> = sending
        .accepted
        .iter()
        .filter_map(|sent| arrivals.get(&sent.number)?.duration_since(sent.at).ok())
        .collect();
    times.sort_unstable();
    Ok(Times { p50: percentile(&times, 0.5), p99: percentile(&times, 0.99) })
}

const TENANTS: usize = 5;
/// Where the numbers of a round begin.
const FIRST: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
