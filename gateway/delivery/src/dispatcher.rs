//! The dispatcher: delivers stored events to their portals, in one lane per tenant.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kyc_events::{Claim, Command, Reader, now};
use kyc_resilience::supervised;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::attempt::AttemptResult;
use crate::context::DeliveryContext;
use crate::drain::attempt_drain_time;
use crate::former_names::FormerNames;
use crate::held_lanes::HeldLanes;
use crate::lane::Lane;
use crate::maintenance::Maintenance;
use crate::probe_result::ProbeResult;
use crate::scheduler::{POLL_INTERVAL, Scheduler};
use crate::slots::Slots;
use crate::store_log::log_failed;

/// The delivery loop. There is one for each store in a process.
pub(crate) struct Dispatcher {
    pub(crate) context: DeliveryContext,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) lanes: HashMap<String, Lane>,
    /// Attempts in flight, by the tenant names at receipt, which are the names in the store.
    pub(crate) under_way: HashMap<String, HashSet<Claim>>,
    pub(crate) held: HeldLanes,
    pub(crate) slots: Slots,
    pub(crate) former_names: FormerNames,
    /// Skipped events by their tenant names at receipt: the customer was renamed, and its lane has no free slot.
    pub(crate) passed_over: HashMap<Arc<str>, HashSet<Claim>>,
    pub(crate) scheduler: Scheduler,
    /// Whether the wall clock is stable, so that events may be deleted because of their age.
    pub(crate) is_settled: Arc<AtomicBool>,
    pub(crate) finished: mpsc::Sender<AttemptResult>,
    pub(crate) results: mpsc::Receiver<AttemptResult>,
    /// The results of login probes.
    pub(crate) probed: (mpsc::Sender<ProbeResult>, mpsc::Receiver<ProbeResult>),
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
            held: HeldLanes::default(),
            slots: Slots::default(),
            former_names: FormerNames::default(),
            passed_over: HashMap::new(),
            scheduler: Scheduler::default(),
            is_settled: Arc::new(AtomicBool::new(true)),
            finished,
            results,
            probed: mpsc::channel(1024),
            tasks: JoinSet::new(),
        }
    }

    /// Delivers until `shutdown`. Then it starts no more attempts, and returns when those in flight have ended or `drain` is
    /// nearly over; it releases the claims of the rest.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>, drain: Duration) {
        let commit_queue = self.context.commit_queue.clone();
        let (mut clock, mut is_shifted) = self.resume_clock(&mut shutdown).await;
        let mut last_heartbeat: Option<Instant> = None;
        let housekeeping = self.maintain(&shutdown);
        let mut forgetting = tokio::time::interval(FORMER_NAMES_INTERVAL);
        while !*shutdown.borrow() {
            let wall = now();
            // Before events are claimed, because the jump makes their ages and due times wrong.
            if let Some(by) = clock.jump(wall) {
                tracing::warn!(milliseconds = by, "the system clock has jumped; due times are shifted");
                is_shifted = self.shift(by, &mut shutdown).await;
                if !is_shifted {
                    break;
                }
                self.scheduler.mark_stale();
            }
            if last_heartbeat.is_none_or(|at| at.elapsed() >= HEARTBEAT_INTERVAL) {
                self.record_heartbeat(&clock);
                last_heartbeat = Some(Instant::now());
            }
            self.is_settled.store(clock.is_settled(), Ordering::Relaxed);
            let begun = self.start_due_events(wall).await;
            self.context.status.record_read(begun.as_ref().err().map(ToString::to_string));
            let pause = match begun {
                Ok(pause) => pause.min(POLL_INTERVAL),
                Err(error) => {
                    commit_queue.mark_if_damaged(&error);
                    tracing::error!(%error, "cannot look for events that are due");
                    POLL_INTERVAL
                }
            };
            tokio::select! {
                Some(result) = self.results.recv() => self.complete_all(result).await,
                Some(probed) = self.probed.1.recv() => self.complete_probe(&probed),
                () = commit_queue.wait_for_arrival() => {}
                () = sleep(pause) => {}
                _ = forgetting.tick() => {
                    self.former_names.forget();
                    self.passed_over.clear();
                }
                _ = shutdown.changed() => {}
            }
        }
        if is_shifted && clock.jump(now()).is_none() {
            // Not on a task: tasks end with the dispatcher, and without this heartbeat the next start would count the time of
            // this process as downtime.
            log_failed(commit_queue.submit(Command::Heartbeat(clock.alive())).await);
        }
        // Each of its commands is atomic, so it can be aborted at any point.
        housekeeping.abort();
        if timeout(attempt_drain_time(drain), self.finish()).await.is_err() {
            // Stop sending before the claims are released: another gateway may send these events then.
            self.tasks.shutdown().await;
            let claims: Vec<Claim> = self.lanes.values().flat_map(Lane::claims).collect();
            tracing::warn!(
                events = claims.len(),
                "deliveries in flight are aborted at the end of the drain; they will be attempted again"
            );
            log_failed(commit_queue.submit(Command::Release(claims)).await);
        }
    }

    /// Starts the maintenance of the store on its own task, so that deliveries and notifications do not wait for it.
    pub(crate) fn maintain(&self, shutdown: &watch::Receiver<bool>) -> JoinHandle<()> {
        let (context, is_settled, seen) =
            (self.context.clone(), Arc::clone(&self.is_settled), shutdown.clone());
        let work = move || Maintenance::new(context.clone(), Arc::clone(&is_settled)).run(seen.clone());
        tokio::spawn(supervised("housekeeping", shutdown.clone(), work))
    }

    pub(crate) async fn finish(&mut self) {
        while self.slots.in_flight > 0 {
            let Some(result) = self.results.recv().await else { return };
            self.complete_all(result).await;
        }
    }

    /// Processes a result and all others that have arrived, before the store is read again.
    pub(crate) async fn complete_all(&mut self, first: AttemptResult) {
        self.complete(first).await;
        while self.tasks.try_join_next().is_some() {}
        while let Ok(result) = self.results.try_recv() {
            self.complete(result).await;
        }
    }
}

/// Interval between two heartbeats in the store. The next start computes a downtime that is too long by up to this interval. That
/// is little compared with the ten minutes after which it shifts due times and ages.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long the tenant of a former name is cached.
const FORMER_NAMES_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
