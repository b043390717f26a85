//! Brings stored events to their portals, each tenant on a lane of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kyc_events::{Change, Claim, Reader, now};
use kyc_resilience::supervised;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::agenda::{Agenda, POLL_INTERVAL};
use crate::attempt::Attempted;
use crate::context::DeliveryContext;
use crate::drain::time_for_tries;
use crate::former_names::FormerNames;
use crate::held::Held;
use crate::housekeeping::Housekeeping;
use crate::lane::Lane;
use crate::places::Places;
use crate::probed::Probed;
use crate::store_log::log_failed;

/// The one process that delivers from a store.
pub(crate) struct Dispatcher {
    pub(crate) context: DeliveryContext,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) lanes: HashMap<String, Lane>,
    /// What is under way, by the tenants' names at receipt, as the store knows it.
    pub(crate) under_way: HashMap<String, HashSet<Claim>>,
    pub(crate) held: Held,
    pub(crate) places: Places,
    pub(crate) former_names: FormerNames,
    /// Events by the names they were received for, of customers with another name now, for which their lanes have no room.
    pub(crate) passed_over: HashMap<Arc<str>, HashSet<Claim>>,
    pub(crate) agenda: Agenda,
    /// Whether the system's clock can be believed when it says that something is old.
    pub(crate) is_settled: Arc<AtomicBool>,
    pub(crate) finished: mpsc::Sender<Attempted>,
    pub(crate) results: mpsc::Receiver<Attempted>,
    /// The ends of login probes.
    pub(crate) probed: (mpsc::Sender<Probed>, mpsc::Receiver<Probed>),
    pub(crate) tasks: JoinSet<()>,
}

// === impl Dispatcher ===

impl Dispatcher {
    pub(crate) fn new(context: DeliveryContext, reader: Box<dyn Reader>) -> Self {
        let (finished, results) = mpsc::channel(1024);
        Self {
            context,
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
        let inbox = self.context.inbox.clone();
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
            self.context.status.looked(begun.as_ref().err().map(ToString::to_string));
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
            log_failed(inbox.change(Change::Alive(clock.alive())).await);
        }
        // What it has begun is whole or not done at all.
        housekeeping.abort();
        if timeout(time_for_tries(drain), self.finish()).await.is_err() {
            // Nothing is sent any more when others may send it.
            self.tasks.shutdown().await;
            let claims: Vec<Claim> = self.lanes.values().flat_map(Lane::claims).collect();
            tracing::warn!(events = claims.len(), "deliveries are cut off, they will be tried again");
            log_failed(inbox.change(Change::Release(claims)).await);
        }
    }

    /// Begins the housekeeping, on a task of its own: deliveries and notifications do not wait for it.
    pub(crate) fn keep_house(&self, shutdown: &watch::Receiver<bool>) -> JoinHandle<()> {
        let (context, is_settled, seen) =
            (self.context.clone(), Arc::clone(&self.is_settled), shutdown.clone());
        let work = move || Housekeeping::new(context.clone(), Arc::clone(&is_settled)).run(seen.clone());
        tokio::spawn(supervised("housekeeping", shutdown.clone(), work))
    }

    pub(crate) async fn finish(&mut self) {
        while self.places.in_flight > 0 {
            let Some(result) = self.results.recv().await else { return };
            self.settle_all(result).await;
        }
    }

    /// Takes a result and all that came with it, before the store is asked again.
    pub(crate) async fn settle_all(&mut self, first: Attempted) {
        self.settle(first).await;
        while self.tasks.try_join_next().is_some() {}
        while let Ok(result) = self.results.try_recv() {
            self.settle(result).await;
        }
    }
}

/// How often the gateway notes that it is there.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long a tenant that a former name belongs to stays known.
const FORMER_NAMES_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
