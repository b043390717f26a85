//! A week in twenty minutes: many tenants, whose portals die, hang, refuse events, change passwords, move and are renamed,
//! while the gateway is killed, restarted with other keys, has a full disk and a clock that jumps. In the end every event
//! that was acknowledged is accounted for.
//!
//! What is simulated: every delay of the configuration (schedule, breaker, probes, age) is the default divided by 504, with a
//! floor of 10 ms, so that twenty minutes are a week of retries; a try may take three seconds, since the machine is no
//! faster than it is. The system's clock of the gateway runs at its own speed, and jumps where a fault says so (libfaketime); the
//! monotonic clock is left alone. Portals and Onfido are in the test's process. Times in the verdict are real ones.

mod clock;
mod customers;
mod explanation;
mod faults;
mod holds;
mod load;
mod log;
mod plan;
mod plot;
mod settings;
mod stalls;
mod surroundings;
mod verdict;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use crate::gateway::Gateway;
use crate::{Failure, progress};
use clock::now_ms;
use customers::Customers;
use faults::{Struck, World, is_refusing};
use load::{Load, Tallies, lock};
use log::Follower;
pub use plan::Kind;
use plan::plan;
use plot::Course;
pub use settings::Week;
use stalls::Stalls;
use surroundings::{Disk, FakeClock, Keys};
use verdict::{Evidence, Listed};
pub use verdict::{Row, Verdict};

/// Runs it.
///
/// # Errors
///
/// What could not be run; what must not be is in the [`Verdict`].
pub async fn run(week: &Week) -> Result<Verdict, Failure> {
    // In memory where that is possible: whoever else writes to this machine's disks is not what is tested.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let stalls = Stalls::default();
    let watching = stalls.watch();
    let mut world = start(week, folder.path()).await?;
    let follower = Follower::start(world.gateway.log().to_owned());
    let names = world.customers.names.clone();
    let (begun, begun_ms) = (Instant::now(), now_ms());
    let load = Load::start(world.gateway.address, week.rate, week.seed, names)?;
    let struck = make_faults(week, &mut world, &load.tallies, begun).await?;
    sleep_until(begun + week.lasts).await;
    let (tallies, unanswered) = load.stop().await?;
    progress(&format!("{} accepted; waiting until nothing waits", lock(&tallies.accepted).len()));
    let still = drain(&world).await?;
    let (dead, parked) = (list(&world, "dead").await?, list(&world, "parked").await?);
    world.stop().await?;
    let lines = follower.end().await?;
    watching.abort();
    let evidence = Evidence {
        customers: &world.customers,
        tallies: &tallies,
        unanswered,
        faults: &struck,
        lines: &lines,
        stalls: &stalls,
        dead: &dead,
        parked: &parked,
        gap: u64::try_from(week.gap.as_millis()).unwrap_or(u64::MAX),
    };
    let (mut verdict, deliveries) = Verdict::of(&evidence)?;
    verdict.violations.extend(still);
    let accepted = lock(&tallies.accepted).clone();
    let course = Course::new(begun_ms, &accepted, &deliveries, &struck);
    course.write_svg(&week.plot)?;
    progress(&format!("{}\nthe picture is {}\n", course.text(), week.plot.display()));
    if !verdict.holds() {
        let kept = week.plot.with_extension("log");
        std::fs::copy(world.gateway.log(), &kept)?;
        progress(&format!("the gateway's log is {}", kept.display()));
    }
    Ok(verdict)
}

async fn start(week: &Week, folder: &Path) -> Result<World, Failure> {
    let disk = Disk::mount(&folder.join("store"))?;
    if disk.is_none() {
        progress("NOT RUN: a full disk, since this machine lets nobody mount one");
    }
    let (clock, keys) = (FakeClock::new(folder)?, Keys::new(folder)?);
    let customers = Customers::start(folder, week.tenants).await?;
    let settings = format!("events.path = \"store/events.db\"\n{}{SETTINGS}", Keys::SETTINGS);
    let mut gateway = Gateway::place(folder, 0, &week.binary, &settings)?;
    gateway.environment = clock.environment();
    File::create(gateway.log())?;
    gateway.start(None).await?;
    Ok(World {
        gateway,
        customers,
        clock,
        disk,
        keys,
        random: StdRng::seed_from_u64(week.seed),
        refusals: HashMap::new(),
    })
}

/// Makes all faults at their times, and mends them; says what happened.
async fn make_faults(
    week: &Week,
    world: &mut World,
    tallies: &Tallies,
    begun: Instant,
) -> Result<Vec<Struck>, Failure> {
    let (mut open, mut done) = (Vec::new(), Vec::new());
    for planned in plan(week) {
        mend_until(world, &mut open, &mut done, begun + planned.at).await?;
        sleep_until(begun + planned.at).await;
        let refused = tallies.refused.load(Ordering::Relaxed);
        let Some(struck) = world.strike(planned).await? else { continue };
        if planned.kind == Kind::FullDisk {
            is_refusing(tallies, refused).await;
        }
        open.push((Instant::now() + planned.lasts, struck));
    }
    mend_until(world, &mut open, &mut done, begun + week.lasts).await?;
    for (_, mut struck) in open {
        world.mend(&mut struck).await?;
        done.push(struck);
    }
    Ok(done)
}

/// Mends what is to be mended until then, in order.
async fn mend_until(
    world: &mut World,
    open: &mut Vec<(Instant, Struck)>,
    done: &mut Vec<Struck>,
    deadline: Instant,
) -> Result<(), Failure> {
    loop {
        let next =
            open.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(place, (at, _))| (place, *at));
        match next {
            Some((place, at)) if at <= deadline => {
                sleep_until(at).await;
                let (_, mut struck) = open.swap_remove(place);
                world.mend(&mut struck).await?;
                done.push(struck);
            }
            Some(_) | None => return Ok(()),
        }
    }
}

/// Waits until no event waits any more; names those that still do after a while.
async fn drain(world: &World) -> Result<Vec<String>, Failure> {
    let deadline = Instant::now() + DRAIN;
    loop {
        let waiting = ask(world, "state=waiting&limit=50").await?;
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        if Instant::now() > deadline {
            return Ok(waiting.iter().map(|event| format!("still waiting: {event}")).collect());
        }
        sleep(LOOK).await;
    }
}

/// All events in a state, by their numbers.
async fn list(world: &World, state: &str) -> Result<Listed, Failure> {
    let mut names: Vec<String> =
        world.customers.names.lock().history.iter().map(|(_, _, name)| name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let mut listed = HashMap::new();
    for name in names {
        for event in ask(world, &format!("state={state}&limit=1000&tenant={name}")).await? {
            let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let resource = text("resource");
            let number = resource.rsplit_once('-').and_then(|(_, number)| number.parse().ok());
            if let Some(number) = number {
                listed.insert(number, (text("uid"), text("reason")));
            }
        }
    }
    Ok(listed)
}

/// What `events list` says.
async fn ask(world: &World, query: &str) -> Result<Vec<Value>, Failure> {
    let url = format!("http://{}/events?{query}", world.gateway.admin());
    let failed = |error: reqwest::Error| Failure::from(("events", error));
    let answer: Value = reqwest::get(url).await.map_err(failed)?.json().await.map_err(failed)?;
    let events = answer.get("events").and_then(Value::as_array);
    events.cloned().ok_or_else(|| Failure(format!("events: {answer}")))
}

/// The defaults divided by 504, the number of twenty minutes in a week; 10 ms at least, and three seconds for a try.
const SETTINGS: &str = "delivery.schedule = [\"10ms\", \"10ms\", \"30ms\", \"60ms\", \"119ms\", \"238ms\", \"595ms\", \
                        \"1190ms\", \"3571ms\", \"7143ms\", \"14286ms\", \"28571ms\"]\n\
                        delivery.give_up = \"20m\"\ndelivery.attempt = \"3s\"\ndelivery.breaker_open = \"10ms\"\n\
                        delivery.breaker_longest = \"595ms\"\ndelivery.login_probe = \"119ms\"\n";
/// Longer than the longest step of the schedule, and than a pause after a refused login.
const DRAIN: Duration = Duration::from_secs(150);
const LOOK: Duration = Duration::from_millis(100);
