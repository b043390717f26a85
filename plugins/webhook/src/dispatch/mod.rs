//! Brings stored events to their portals, each tenant on a lane of its own.

mod agenda;
mod attempt;
mod breaker;
mod clock;
mod customers;
mod drain;
mod housekeeping;
mod lane;
mod means;
mod panicked;
mod probe;
mod schedule;
mod settle;
mod shift;
mod status;
mod supervised;
mod unrecorded;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kyc_model::Tenant;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::store::{Change, Claim, Directory, DueEvent, Millis, Reader, Recipient, StoreError, now};
use agenda::{Agenda, LOOK};
use attempt::{Attempted, Claimed};
pub(crate) use breaker::Cause;
use customers::FormerNames;
pub(crate) use drain::GIVING_BACK;
use drain::time_for_tries;
use housekeeping::Housekeeping;
use lane::Lane;
pub(crate) use means::{Means, Tenants};
use panicked::attempt_or_note;
use probe::Probed;
pub(crate) use status::{Counted, Hold, Liveness, Status};
pub(crate) use supervised::supervised;
pub(crate) use unrecorded::Unrecorded;

/// The one process that delivers from a store.
pub(crate) struct Dispatcher {
    means: Means,
    reader: Box<dyn Reader>,
    lanes: HashMap<String, Lane>,
    /// What is under way, by the tenants' names at receipt, as the store knows it.
    under_way: HashMap<String, HashSet<Claim>>,
    /// The lanes that are held; of a thousand tenants they are few.
    held: HashSet<String>,
    former_names: FormerNames,
    agenda: Agenda,
    /// Whether the system's clock can be believed when it says that something is old.
    is_settled: Arc<AtomicBool>,
    finished: mpsc::Sender<Attempted>,
    results: mpsc::Receiver<Attempted>,
    /// The ends of login probes.
    probed: (mpsc::Sender<Probed>, mpsc::Receiver<Probed>),
    tasks: JoinSet<()>,
    /// Which tenant is asked first, so that none is always last.
    turn: usize,
}

// === impl Dispatcher ===

impl Dispatcher {
    pub(crate) fn new(means: Means, reader: Box<dyn Reader>) -> Self {
        let (finished, results) = mpsc::channel(1024);
        Self {
            means,
            reader,
            lanes: HashMap::new(),
            under_way: HashMap::new(),
            held: HashSet::new(),
            former_names: FormerNames::default(),
            agenda: Agenda::default(),
            is_settled: Arc::new(AtomicBool::new(true)),
            finished,
            results,
            probed: mpsc::channel(1024),
            tasks: JoinSet::new(),
            turn: 0,
        }
    }

    /// Delivers until `shutdown`; then begins nothing any more, and returns when what is under way has ended, or
    /// when `drain` is nearly over: others may have what is left then.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>, drain: Duration) {
        let inbox = self.means.inbox.clone();
        let mut clock = self.resume_clock(&mut shutdown).await;
        let mut beaten: Option<Instant> = None;
        let housekeeping = self.keep_house(&shutdown);
        let mut forgetting = tokio::time::interval(FORGETTING);
        while !*shutdown.borrow() {
            let wall = now();
            if let Some(by) = clock.jump(wall) {
                tracing::warn!(milliseconds = by, "the system's clock has jumped, due times move along");
                self.shift(by, &mut shutdown).await;
                self.agenda.outdate();
            }
            if beaten.is_none_or(|at| at.elapsed() >= BEAT) {
                self.beat(&clock);
                beaten = Some(Instant::now());
            }
            self.is_settled.store(clock.is_settled(), Ordering::Relaxed);
            let begun = self.begin_due(wall).await;
            self.means.status.looked(begun.as_ref().err().map(ToString::to_string));
            let pause = match begun {
                Ok(pause) => pause.min(LOOK),
                Err(error) => {
                    inbox.notice(&error);
                    tracing::error!(%error, "cannot look for events that are due");
                    LOOK
                }
            };
            tokio::select! {
                Some(result) = self.results.recv() => self.settle_all(result).await,
                Some(probed) = self.probed.1.recv() => self.settle_probe(&probed),
                () = inbox.arrival() => {}
                () = sleep(pause) => {}
                _ = forgetting.tick() => self.former_names.forget(),
                _ = shutdown.changed() => {}
            }
        }
        if clock.jump(now()).is_none() {
            // Not on a task: those end with the dispatcher, and the next start would count this one's events as younger.
            tell(inbox.change(Change::Alive(clock.alive())).await);
        }
        // What it has begun is whole or not done at all.
        housekeeping.abort();
        if timeout(time_for_tries(drain), self.finish()).await.is_err() {
            // Nothing is sent any more when others may send it.
            self.tasks.shutdown().await;
            let claims: Vec<Claim> = self.lanes.values().flat_map(Lane::claims).collect();
            tracing::warn!(events = claims.len(), "deliveries are cut off, they will be tried again");
            tell(inbox.change(Change::Release(claims)).await);
        }
    }

    /// Begins the housekeeping, on a task of its own: deliveries and notifications do not wait for it.
    fn keep_house(&self, shutdown: &watch::Receiver<bool>) -> JoinHandle<()> {
        let (means, is_settled, seen) = (self.means.clone(), Arc::clone(&self.is_settled), shutdown.clone());
        let work = move || Housekeeping::new(means.clone(), Arc::clone(&is_settled)).run(seen.clone());
        tokio::spawn(supervised("housekeeping", shutdown.clone(), work))
    }

    async fn finish(&mut self) {
        while self.in_flight() > 0 {
            let Some(result) = self.results.recv().await else { return };
            self.settle_all(result).await;
        }
    }

    /// Begins what is due, and says how long nothing else will be.
    async fn begin_due(&mut self, clock: Millis) -> Result<Duration, StoreError> {
        let Some(tenants) = (self.means.tenants)() else { return Ok(LOOK) };
        if self.means.unrecorded.is_any() {
            return Ok(LOOK);
        }
        let (directory, is_new) = self.former_names.directory(&tenants);
        let instant = Instant::now();
        if is_new {
            self.heed_changed_entries(&directory, instant);
        }
        self.heed_operators(instant);
        self.bind_customers(&directory).await?;
        self.take_up_parked(&directory).await?;
        let news = self.means.inbox.take_news();
        news.tenants.iter().for_each(|name| self.agenda.note(name, clock));
        if news.is_more {
            self.agenda.outdate();
        }
        if self.agenda.good_for(instant).is_zero() {
            let waiting = self.reader.waiting().await?;
            self.agenda.refresh(waiting, instant);
        }
        self.turn = self.turn.wrapping_add(1);
        let (due, pause) = self.agenda.due(clock, self.turn);
        for name in due {
            // Events of a customer that is gone stay where they are, and are never sent elsewhere.
            let Some(tenant) = self.lane_tenant(&directory, &name).await? else { continue };
            self.begin_lane(&directory, &tenant, &name, (clock, instant)).await?;
        }
        let until_probe = self.ask_held_portals(&directory, instant);
        Ok(pause.min(self.agenda.good_for(instant)).min(until_probe))
    }

    async fn begin_lane(
        &mut self,
        directory: &Directory,
        tenant: &Arc<Tenant>,
        name: &str,
        (clock, instant): (Millis, Instant),
    ) -> Result<(), StoreError> {
        let config = &self.means.config;
        let free = config.total_in_flight.saturating_sub(self.in_flight());
        let retries = self.lanes.values().map(Lane::retries).sum::<usize>();
        // Half of the places are for events that were never tried: retries of many dead portals must not take
        // everything.
        let retry_room = (config.total_in_flight / 2).max(1).saturating_sub(retries);
        let lane = self.lanes.entry(tenant.name.as_str().to_owned()).or_insert_with(Lane::new);
        let room = lane.room(config.in_flight, free, instant);
        if room == 0 {
            return Ok(());
        }
        let except: Vec<i64> = self.under_way.get(name).into_iter().flatten().map(|claim| claim.id).collect();
        let (retry_room, probes) = (retry_room.max(lane.reserved()), lane.probes(instant));
        // Whatever is found is begun: where it was claimed, nobody else would.
        let retries = retry_room > 0;
        let room = if retries { room.min(retry_room) } else { room };
        let claimed = Claimed { wall: clock, at: instant, is_probe: probes };
        // An event that has failed before mostly fails again, and would hold the new ones back.
        let mut due = Vec::new();
        if probes {
            due = self.reader.newest_untried(name, clock, &except).await?;
        }
        if due.is_empty() {
            due = self.reader.due(name, clock, room, retries, &except).await?;
        }
        if due.len() < room {
            self.agenda.is_done(name, clock);
        }
        for event in due {
            self.begin(directory, tenant, event, claimed);
        }
        Ok(())
    }

    /// Sends an event to its customer's portal, on the lane of that tenant.
    fn begin(&mut self, directory: &Directory, lane: &Arc<Tenant>, event: DueEvent, claimed: Claimed) {
        let (lane, recipient) = match event.owner.recipient(directory) {
            Recipient::Tenant(tenant) => (Arc::clone(&tenant), Some(tenant)),
            Recipient::Absent | Recipient::Another => (Arc::clone(lane), None),
        };
        let (name, entry) = (lane.name.as_str().to_owned(), lane.fingerprint);
        self.under_way.entry(event.owner.tenant.clone()).or_default().insert(event.claim);
        let lane = self.lanes.entry(name.clone()).or_insert_with(Lane::new);
        lane.begin(event.claim, event.attempts > 0);
        lane.names.insert(event.owner.tenant.clone());
        lane.has_entry(entry);
        self.show(&name);
        let (means, finished) = (self.means.clone(), self.finished.clone());
        self.tasks.spawn(async move {
            let result = attempt_or_note(means, name, recipient, event, claimed).await;
            // The dispatcher outlives its attempts; without it nobody counts.
            let _ = finished.send(result).await;
        });
    }

    /// Takes a result and all that came with it, before the store is asked again.
    async fn settle_all(&mut self, first: Attempted) {
        self.settle(first).await;
        while self.tasks.try_join_next().is_some() {}
        while let Ok(result) = self.results.try_recv() {
            self.settle(result).await;
        }
    }

    fn in_flight(&self) -> usize {
        self.lanes.values().map(Lane::in_flight).sum()
    }
}

fn tell<T>(done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::error!(%error, "the event store cannot be kept in order");
    }
}

/// How often the gateway notes that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// How long a tenant that a former name belongs to stays known.
const FORGETTING: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
