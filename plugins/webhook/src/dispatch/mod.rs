//! Brings stored events to their portals, each tenant on a lane of its own.

mod agenda;
mod allot;
mod attempt;
mod begin;
mod breaker;
mod clock;
mod customers;
mod drain;
mod held;
mod hold_log;
mod housekeeping;
mod lane;
mod means;
mod panicked;
mod places;
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

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::store::{Change, Claim, Reader, StoreError, now};
use agenda::{Agenda, POLL_INTERVAL};
use attempt::Attempted;
pub(crate) use breaker::Cause;
use customers::FormerNames;
pub(crate) use drain::GIVING_BACK;
use drain::time_for_tries;
use held::Held;
use housekeeping::Housekeeping;
use lane::Lane;
pub(crate) use means::{Means, Tenants};
use places::Places;
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
    held: Held,
    places: Places,
    former_names: FormerNames,
    /// Events by the names they were received for, of customers with another name now, for which their lanes have no room.
    passed_over: HashMap<Arc<str>, HashSet<Claim>>,
    agenda: Agenda,
    /// Whether the system's clock can be believed when it says that something is old.
    is_settled: Arc<AtomicBool>,
    finished: mpsc::Sender<Attempted>,
    results: mpsc::Receiver<Attempted>,
    /// The ends of login probes.
    probed: (mpsc::Sender<Probed>, mpsc::Receiver<Probed>),
    tasks: JoinSet<()>,
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
            held: Held::default(),
            places: Places::default(),
            former_names: FormerNames::default(),
            passed_over: HashMap::new(),
            agenda: Agenda::default(),
            is_settled: Arc::new(AtomicBool::new(true)),
            finished,
            results,
            probed: mpsc::channel(1024),
            tasks: JoinSet::new(),
        }
    }

    /// Delivers until `shutdown`; then begins nothing any more, and returns when what is under way has ended, or
    /// when `drain` is nearly over: others may have what is left then.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>, drain: Duration) {
        let inbox = self.means.inbox.clone();
        let mut clock = self.resume_clock(&mut shutdown).await;
        let mut beaten: Option<Instant> = None;
        let housekeeping = self.keep_house(&shutdown);
        let mut forgetting = tokio::time::interval(FORMER_NAMES_INTERVAL);
        while !*shutdown.borrow() {
            let wall = now();
            if let Some(by) = clock.jump(wall) {
                tracing::warn!(milliseconds = by, "the system's clock has jumped, due times move along");
                self.shift(by, &mut shutdown).await;
                self.agenda.outdate();
            }
            if beaten.is_none_or(|at| at.elapsed() >= HEARTBEAT_INTERVAL) {
                self.beat(&clock);
                beaten = Some(Instant::now());
            }
            self.is_settled.store(clock.is_settled(), Ordering::Relaxed);
            let begun = self.begin_due(wall).await;
            self.means.status.looked(begun.as_ref().err().map(ToString::to_string));
            let pause = match begun {
                Ok(pause) => pause.min(POLL_INTERVAL),
                Err(error) => {
                    inbox.notice(&error);
                    tracing::error!(%error, "cannot look for events that are due");
                    POLL_INTERVAL
                }
            };
            tokio::select! {
                Some(result) = self.results.recv() => self.settle_all(result).await,
                Some(probed) = self.probed.1.recv() => self.settle_probe(&probed),
                () = inbox.arrival() => {}
                () = sleep(pause) => {}
                _ = forgetting.tick() => {
                    self.former_names.forget();
                    self.passed_over.clear();
                }
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
        while self.places.in_flight > 0 {
            let Some(result) = self.results.recv().await else { return };
            self.settle_all(result).await;
        }
    }

    /// Takes a result and all that came with it, before the store is asked again.
    async fn settle_all(&mut self, first: Attempted) {
        self.settle(first).await;
        while self.tasks.try_join_next().is_some() {}
        while let Ok(result) = self.results.try_recv() {
            self.settle(result).await;
        }
    }
}

fn tell<T>(done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::error!(%error, "the event store cannot be kept in order");
    }
}

/// How often the gateway notes that it is there.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long a tenant that a former name belongs to stays known.
const FORMER_NAMES_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
