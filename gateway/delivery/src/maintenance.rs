//! Periodic maintenance of the store on its own task: deletes expired events, unparks events, counts the backlog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kyc_events::{Command, CommitQueue, Effect, Reader, RetentionLimits, StoreError, now};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::context::DeliveryContext;
use crate::retry;
use crate::status::Counted;
use crate::store_log::log_failed;

/// Runs the periodic maintenance of the store.
pub(crate) struct Maintenance {
    context: DeliveryContext,
    reader: Box<dyn Reader>,
    /// Whether the wall clock is stable, so that events may be deleted because of their age.
    is_settled: Arc<AtomicBool>,
    /// When due times were last limited.
    clamped: Option<Instant>,
}

/// A paged command that failed before its end; the error was logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotDone;

// === impl Maintenance ===

impl Maintenance {
    pub(crate) fn new(context: DeliveryContext, is_settled: Arc<AtomicBool>) -> Self {
        Self { reader: (context.readers)(), context, is_settled, clamped: None }
    }

    /// Runs until the shutdown.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                _ = interval.tick() => self.maintain().await,
                _ = shutdown.changed() => {}
            }
        }
    }

    async fn maintain(&mut self) {
        if self.clamped.is_none_or(|at| at.elapsed() >= CLAMP_INTERVAL) {
            // After a failure the next run tries again.
            self.clamped = clamp(&self.context).await.ok().map(|()| Instant::now());
        }
        let old = RetentionLimits {
            keys: now() - retry::millis(self.context.retention.keys),
            delivered: now() - retry::millis(self.context.retention.delivered),
            dead: Some(now() - retry::millis(self.context.retention.dead)),
        };
        let unpark = Command::Unpark { keys: self.context.keyring.key_ids(), now: now() };
        // After a clock jump every event may look expired.
        let sweep = self.is_settled.load(Ordering::Relaxed).then_some(Command::DeleteExpired(old));
        let entries = now() - retry::millis(self.context.retention.ledger);
        let ledger = sweep.is_some().then_some(Command::DeleteEntries { before: entries });
        for change in sweep.into_iter().chain(ledger).chain([Command::FreeShares, unpark]) {
            // After a failure the next run continues.
            let _ = in_pages(&self.context.commit_queue, change).await;
        }
        match self.count().await {
            Ok(counted) => self.context.status.counted(counted),
            Err(error) => tracing::error!(%error, "cannot count the waiting and parked events"),
        }
    }

    async fn count(&mut self) -> Result<Counted, StoreError> {
        let (at, clock) = (Instant::now(), now());
        Ok(Counted {
            at,
            clock,
            parked: self.reader.parked().await?,
            backlog: self.reader.backlog().await?,
            free: self.reader.free().await?,
            ledger: self.reader.ledger_counts(clock).await?,
        })
    }
}

/// Limits due times that are further in the future than any schedule allows.
///
/// # Errors
///
/// Those of the store; they are logged.
pub(crate) async fn clamp(context: &DeliveryContext) -> Result<(), NotDone> {
    let latest = now() + retry::millis(retry::longest(&context.config));
    in_pages(&context.commit_queue, Command::LimitDueTimes { latest }).await
}

/// Repeats a paged command while it finds events, up to `MAX_PAGES` times.
async fn in_pages(commit_queue: &CommitQueue, change: Command) -> Result<(), NotDone> {
    for _ in 0..MAX_PAGES {
        match commit_queue.submit_page(change.clone()).await {
            Ok(Effect::Done) => {}
            Ok(_) => return Ok(()),
            Err(error) => {
                log_failed::<()>(Err(error));
                return Err(NotDone);
            }
        }
    }
    Ok(())
}

/// Repeats a paged command until it finds no more events. Between the pages, notifications and results are committed.
pub(crate) async fn until_done(commit_queue: CommitQueue, change: Command) {
    loop {
        match commit_queue.submit_page(change.clone()).await {
            Ok(Effect::Done) => commit_queue.wake(),
            done => return log_failed(done),
        }
    }
}

/// Interval between two runs. Each run counts the events, and counts older than a minute are not shown, so a few runs may fail.
const INTERVAL: Duration = Duration::from_secs(10);
/// Pages of one command per run.
const MAX_PAGES: usize = 500;
/// Interval between two limits of due times: after a failover, the database may run on a host with another clock.
const CLAMP_INTERVAL: Duration = Duration::from_secs(3600);
