//! Makes faults, and mends them.

use std::collections::{HashMap, HashSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kyc_sandbox::portal::{Mode, Refusal};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use super::clock::now_ms;
use super::customers::Customers;
use super::load::{Tallies, lock};
use super::plan::{Kind, Planned};
use super::surroundings::{Disk, FakeClock, Keys};
use crate::gateway::Gateway;
use crate::notification::parse;
use crate::{Failure, progress};

/// Everything that faults are made of.
pub(super) struct World {
    pub(super) gateway: Gateway,
    pub(super) customers: Customers,
    pub(super) clock: FakeClock,
    /// None where nobody may mount one.
    pub(super) disk: Option<Disk>,
    pub(super) keys: Keys,
    pub(super) random: StdRng,
    pub(super) refusals: HashMap<usize, Arc<Refusals>>,
}

/// The events that a portal refuses for themselves.
pub(super) struct Refusals {
    how: Refusal,
    goes_on: AtomicBool,
    refused: Mutex<HashSet<u64>>,
}

/// A fault that was made.
#[derive(Clone, Debug)]
pub(super) struct Struck {
    pub(super) kind: Kind,
    /// Whom it concerns; nobody in particular when it concerns all.
    pub(super) customers: Vec<usize>,
    pub(super) begun: u64,
    /// When it was mended.
    pub(super) ended: u64,
}

// === impl Struck ===

impl Struck {
    /// Says whether an answer of a customer's portal at this time may be lost by it.
    pub(super) fn loses_answer(&self, customer: usize, at: u64) -> bool {
        let concerns = self.customers.is_empty() || self.customers.contains(&customer);
        let near = |time: u64| at + NEAR > time && at < time + NEAR;
        // A portal is stopped at the beginning, or also at the end where it is started anew.
        self.kind.loses_answers() && concerns && (near(self.begun) || near(self.ended))
    }
}

// === impl World ===

impl World {
    /// Makes a fault; none when nobody is left whom it could concern.
    pub(super) async fn strike(&mut self, planned: Planned) -> Result<Option<Struck>, Failure> {
        let kind = planned.kind;
        let mut struck = Struck { kind, customers: Vec::new(), begun: now_ms(), ended: 0 };
        if kind.is_of_portal() {
            let Some(customer) = self.healthy() else { return Ok(None) };
            struck.customers.push(customer);
            if kind == Kind::NameHandedOver {
                let Some(other) = self.healthy() else {
                    self.customers.names.lock().faulty.retain(|faulty| *faulty != customer);
                    return Ok(None);
                };
                struck.customers.push(other);
            }
            self.strike_portal(kind, customer).await?;
            return Ok(Some(struck));
        }
        match kind {
            Kind::ClockHour => self.step(3600)?,
            Kind::ClockWeek => self.step(7 * 24 * 3600)?,
            Kind::Rotation => {
                self.stop().await?;
                self.keys.rotate()?;
                self.gateway.start(None).await?;
                self.rekey().await?;
            }
            Kind::Kill => {
                self.gateway.kill().await?;
                self.gateway.start(None).await?;
            }
            Kind::FullDisk => match &self.disk {
                Some(disk) => disk.fill()?,
                None => return Ok(None),
            },
            Kind::Dead
            | Kind::Hangs
            | Kind::RefusesByStatus
            | Kind::RefusesByEnvelope
            | Kind::Password
            | Kind::Moved
            | Kind::Renamed
            | Kind::NameHandedOver
            | Kind::Replaced => {}
        }
        progress(&format!("{}, took {} ms", kind.name(), now_ms() - struck.begun));
        struck.ended = now_ms();
        Ok(Some(struck))
    }

    async fn strike_portal(&mut self, kind: Kind, customer: usize) -> Result<(), Failure> {
        let one = self.customers.customer(customer)?;
        match kind {
            Kind::Hangs => one.portal().into_iter().for_each(|portal| portal.set_mode(Mode::Hang)),
            Kind::RefusesByStatus | Kind::RefusesByEnvelope => {
                let refusals = Arc::new(Refusals::new(kind));
                let own = Arc::clone(&refusals);
                one.refuse(Some(Arc::new(move |event: &[u8]| own.refusal(event))));
                self.refusals.insert(customer, refusals);
            }
            Kind::Password => {
                one.change_password();
                one.start_portal().await?;
            }
            Kind::Moved => one.move_portal().await?,
            Kind::Dead | Kind::Renamed | Kind::NameHandedOver | Kind::Replaced => one.stop_portal(),
            Kind::ClockHour | Kind::ClockWeek | Kind::Rotation | Kind::Kill | Kind::FullDisk => {}
        }
        Ok(())
    }

    /// Ends a fault.
    pub(super) async fn mend(&mut self, struck: &mut Struck) -> Result<(), Failure> {
        let customer = struck.customers.first().copied().unwrap_or_default();
        match struck.kind {
            Kind::Dead => self.customers.customer(customer)?.start_portal().await?,
            Kind::Hangs => {
                let one = self.customers.customer(customer)?;
                one.portal().into_iter().for_each(|portal| portal.set_mode(Mode::Ok));
            }
            // What it did not want it will never want; other events are welcome again.
            Kind::RefusesByStatus => self.refusals.get(&customer).into_iter().for_each(|one| one.end()),
            Kind::RefusesByEnvelope => self.customers.customer(customer)?.refuse(None),
            Kind::Password | Kind::Moved => self.customers.update(customer)?,
            Kind::Renamed => {
                let name = self.customers.new_name();
                self.customers.rename(customer, &name)?;
            }
            Kind::NameHandedOver => {
                let name = self.customers.new_name();
                let former = self.customers.rename(customer, &name)?;
                let other = struck.customers.get(1).copied().unwrap_or_default();
                self.customers.rename(other, &former)?;
            }
            Kind::Replaced => {
                let name = self.customers.remove(customer)?;
                let new = self.customers.add(&name).await?;
                progress(&format!("customer {new} is called {name} now, as customer {customer} was"));
            }
            Kind::FullDisk => {
                if let Some(disk) = &self.disk {
                    disk.free()?;
                }
            }
            Kind::ClockHour | Kind::ClockWeek | Kind::Rotation | Kind::Kill => {}
        }
        if struck.kind.is_of_portal() {
            self.customers.write()?;
            self.gateway.signal("-HUP").await?;
        }
        if matches!(struck.kind, Kind::Renamed | Kind::NameHandedOver | Kind::Replaced) {
            // Its events have waited under the former name until now.
            self.customers.customer(customer)?.start_portal().await?;
        }
        let mut known = self.customers.names.lock();
        known.faulty.retain(|faulty| !struck.customers.contains(faulty));
        struck.ended = now_ms();
        Ok(())
    }

    /// A customer of the document without a fault, which has one from now on.
    fn healthy(&mut self) -> Option<usize> {
        let mut known = self.customers.names.lock();
        let present = (0..).zip(&known.current).filter(|(_, name)| name.is_some());
        let healthy: Vec<usize> =
            present.map(|(customer, _)| customer).filter(|one| !known.faulty.contains(one)).collect();
        let customer = *healthy.get(self.random.random_range(0..healthy.len().max(1)))?;
        known.faulty.push(customer);
        Some(customer)
    }

    /// Lets the clock jump, in either direction.
    fn step(&mut self, seconds: i64) -> Result<(), Failure> {
        let seconds = if self.random.random_bool(0.5) { seconds } else { -seconds };
        progress(&format!("the gateway's clock jumps by {seconds} s"));
        self.clock.step(seconds)
    }

    /// Ends the gateway by SIGTERM.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        match self.gateway.stop().await? {
            Some(status) if status.success() => Ok(()),
            ended => Err(Failure(format!("the gateway ended with {ended:?}"))),
        }
    }

    /// Seals everything with the current key.
    async fn rekey(&self) -> Result<(), Failure> {
        let admin = format!("http://{}", self.gateway.admin());
        let mut command = Command::new(self.gateway.binary());
        command.args(["events", "rekey", "--admin", &admin, "--reason", "rotated"]);
        let done = tokio::task::spawn_blocking(move || command.output()).await;
        let done = done.map_err(|error| Failure::from(("events rekey", error)))??;
        let said = String::from_utf8_lossy(if done.status.success() { &done.stdout } else { &done.stderr });
        progress(&format!("events rekey: {}", said.trim()));
        if done.status.success() { Ok(()) } else { Err(Failure(format!("events rekey: {said}"))) }
    }
}

/// Waits until the full disk has refused something.
pub(super) async fn is_refusing(tallies: &Tallies, before: u64) {
    let deadline = Instant::now() + NOTICED;
    while tallies.refused.load(Ordering::Relaxed) == before && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
}

// === impl Refusals ===

impl Refusals {
    fn new(kind: Kind) -> Self {
        let how = if kind == Kind::RefusesByStatus { Refusal::Status(422) } else { Refusal::Envelope };
        Self { how, goes_on: AtomicBool::new(true), refused: Mutex::default() }
    }

    /// Every third event is refused, and what was refused once always is.
    fn refusal(&self, event: &[u8]) -> Option<Refusal> {
        let (_, number) = parse(std::str::from_utf8(event).ok()?)?;
        let mut refused = lock(&self.refused);
        if number.is_multiple_of(3) && self.goes_on.load(Ordering::Relaxed) {
            refused.insert(number);
        }
        refused.contains(&number).then_some(self.how)
    }

    fn end(&self) {
        self.goes_on.store(false, Ordering::Relaxed);
    }
}

/// Milliseconds between a fault and the answer that it loses: a try's length, and a second.
const NEAR: u64 = 4_000;
/// How long it may take until a full disk is noticed.
const NOTICED: Duration = Duration::from_secs(30);
