//! Measures the delivery times of tenants whose portals work, while the portals of other tenants hang or refuse connections and
//! events wait for them.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use kyc_harness::calls::percentile;
use kyc_sandbox::portal::Mode;

use kyc_chaos::fleet::{Fleet, Plan};
use kyc_chaos::notification::parse;
use kyc_chaos::sender::{Load, Sender, Sending, notification};
use kyc_chaos::{Failure, progress};

/// The parameters of the measurement.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// `kyc-gateway`.
    pub binary: PathBuf,
    /// The number of waiting events of a tenant whose portal hangs, and of one whose portal refuses connections.
    pub backlog: u64,
    /// Notifications per second for all tenants whose portals work.
    pub rate: u64,
    /// The duration of a round, in seconds.
    pub seconds: u64,
    /// The number of rounds; each one measures all cases.
    pub rounds: u64,
}

/// Times from receipt to delivery, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The maximum.
    pub longest: f64,
}

/// The other tenants of a case: how many, with which fault and how many waiting events.
#[derive(Clone, Copy, Debug)]
struct Neighbours {
    name: &'static str,
    portals: usize,
    fault: Fault,
    events: Events,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Hangs,
    /// Its connections are refused.
    Gone,
}

#[derive(Clone, Copy, Debug)]
enum Events {
    Each(u64),
    Backlog,
}

/// What must hold.
#[derive(Clone, Copy, Debug)]
enum Limit {
    None,
    /// No event takes longer than a try.
    Attempt,
    /// The p99 is not larger than so many times that of tenants alone.
    Times(f64),
}

/// A case with its measurements, one for each round.
#[derive(Clone, Debug)]
pub struct Case {
    neighbours: Neighbours,
    rounds: Vec<Times>,
}

/// All cases.
#[derive(Clone, Debug)]
pub struct Found {
    cases: Vec<Case>,
}

/// Measures.
///
/// # Errors
///
/// What could not be run, and events that were lost.
pub async fn run(isolation: &Isolation) -> Result<Found, Failure> {
    let mut fleets = Vec::new();
    for neighbours in CASES {
        fleets.push(start(isolation, neighbours).await?);
    }
    let mut cases: Vec<Case> =
        CASES.iter().map(|neighbours| Case { neighbours: *neighbours, rounds: Vec::new() }).collect();
    for round in 0..isolation.rounds {
        for (case, fleet) in cases.iter_mut().zip(&fleets) {
            let first = (round + 1) * FIRST;
            let events = isolation.rate * isolation.seconds;
            let load = load(fleet, case.neighbours.portals, HEALTHY, isolation.rate, events, first);
            let sending = Sender::start(load).wait().await?;
            let times = times(fleet, &sending).await?;
            progress(&format!("round {}: {}: p99 {:.1} ms", round + 1, case.neighbours.name, times.p99));
            case.rounds.push(times);
        }
    }
    Ok(Found { cases })
}

/// Starts the tenants whose portals work, and beside them those whose portals do not, with events that wait.
async fn start(isolation: &Isolation, neighbours: Neighbours) -> Result<Fleet, Failure> {
    let plan = Plan {
        binary: isolation.binary.clone(),
        gateways: 1,
        tenants: neighbours.portals + HEALTHY,
        database: None,
        settings: String::new(),
        keep: true,
        sync: true,
    };
    let mut fleet = Fleet::start(&plan).await?;
    match neighbours.fault {
        Fault::None => return Ok(fleet),
        Fault::Hangs => {
            fleet.portals.iter().take(neighbours.portals).for_each(|portal| portal.set_mode(Mode::Hang));
        }
        Fault::Gone => drop(fleet.portals.drain(..neighbours.portals)),
    }
    let events = match neighbours.events {
        Events::Each(events) => events * neighbours.portals as u64,
        Events::Backlog => isolation.backlog,
    };
    let filled = Sender::start(load(&fleet, 0, neighbours.portals, 4_000, events, 0)).wait().await?;
    progress(&format!(
        "{}: {} events wait, {} were refused",
        neighbours.name,
        filled.accepted.len(),
        filled.refused
    ));
    Ok(fleet)
}

fn load(fleet: &Fleet, base: usize, tenants: usize, rate: u64, limit: u64, first: u64) -> Load {
    Load { rate, tenants, base, lanes: 32, limit, first, gateways: fleet.addresses(), request: notification }
}

/// Waits until everything is at its portal, and says how long that took for each.
async fn times(fleet: &Fleet, sending: &Sending) -> Result<Times, Failure> {
    let mut arrivals: HashMap<u64, SystemTime> = HashMap::new();
    let deadline = tokio::time::Instant::now() + WAIT_LIMIT;
    while !sending.accepted.iter().all(|sent| arrivals.contains_key(&sent.number)) {
        if tokio::time::Instant::now() > deadline {
            return Err(Failure("an event of a tenant whose portal works is not delivered".to_owned()));
        }
        for portal in &fleet.portals {
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
    let part = |part| percentile(&times, part);
    Ok(Times { p50: part(0.5), p99: part(0.99), longest: part(1.0) })
}

// === impl Neighbours ===

impl Neighbours {
    const fn new(name: &'static str, (portals, fault): (usize, Fault), events: Events, limit: Limit) -> Self {
        Self { name, portals, fault, events, limit }
    }
}

// === impl Case ===

impl Case {
    /// The median, the smallest and the largest of a figure.
    fn spread(&self, figure: impl Fn(&Times) -> f64) -> [f64; 3] {
        let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or_default();
        [at(figures.len() / 2), at(0), at(figures.len().saturating_sub(1))]
    }

    /// Its p99 against that of the tenants alone in the same round.
    fn ratios(&self, alone: &Self) -> Self {
        let ratio = |(own, alone): (&Times, &Times)| Times {
            p50: own.p50 / alone.p50,
            p99: own.p99 / alone.p99,
            longest: own.longest / alone.longest,
        };
        let rounds = self.rounds.iter().zip(&alone.rounds).map(ratio).collect();
        Self { neighbours: self.neighbours, rounds }
    }

    fn holds(&self, alone: &Self) -> bool {
        match self.neighbours.limit {
            Limit::None => true,
            Limit::Attempt => self.rounds.iter().all(|times| times.longest <= ATTEMPT.as_secs_f64() * 1000.0),
            Limit::Times(most) => {
                let [median, ..] = self.ratios(alone).spread(|times| times.p99);
                median <= most
            }
        }
    }
}

// === impl Found ===

impl Found {
    /// Says whether every limit was kept.
    pub fn holds(&self) -> bool {
        self.cases.first().is_none_or(|alone| self.cases.iter().all(|case| case.holds(alone)))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(alone) = self.cases.first() else { return Ok(()) };
        writeln!(
            f,
            "{:<46}{:>20}{:>24}{:>24}{:>20}  limit",
            "beside", "p50", "p99", "longest", "p99 / alone"
        )?;
        for case in &self.cases {
            let shown = |[median, least, most]: [f64; 3]| format!("{median:.2} ({least:.2}–{most:.2})");
            let limit = match case.neighbours.limit {
                Limit::None => "none".to_owned(),
                Limit::Attempt => format!("longest at most a try, {} s", ATTEMPT.as_secs()),
                Limit::Times(most) => format!("p99 at most {most} times"),
            };
            writeln!(
                f,
                "{:<46}{:>20}{:>24}{:>24}{:>20}  {limit}: {}",
                case.neighbours.name,
                shown(case.spread(|times| times.p50)),
                shown(case.spread(|times| times.p99)),
                shown(case.spread(|times| times.longest)),
                shown(case.ratios(alone).spread(|times| times.p99)),
                if case.holds(alone) { "kept" } else { "BROKEN" }
            )?;
        }
        Ok(())
    }
}

/// The first one is what the others are compared with, the second one says how much noise there is.
const CASES: [Neighbours; 6] = [
    Neighbours::new("nothing", (0, Fault::None), Events::Each(0), Limit::None),
    Neighbours::new("nothing, once more", (0, Fault::None), Events::Each(0), Limit::None),
    Neighbours::new(
        "8 portals that hang, 100 events each",
        (8, Fault::Hangs),
        Events::Each(100),
        Limit::Attempt,
    ),
    Neighbours::new(
        "50 portals that hang, 100 events each",
        (50, Fault::Hangs),
        Events::Each(100),
        Limit::Attempt,
    ),
    Neighbours::new("a portal that hangs with a backlog", (1, Fault::Hangs), Events::Backlog, Limit::Attempt),
    Neighbours::new(
        "a portal that is gone with a backlog",
        (1, Fault::Gone),
        Events::Backlog,
        Limit::Times(1.5),
    ),
];
const HEALTHY: usize = 4;
/// `delivery.attempt`, which is the default here.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Where the numbers of a round begin.
const FIRST: u64 = 1_000_000_000;
const WAIT_LIMIT: Duration = Duration::from_secs(60);
