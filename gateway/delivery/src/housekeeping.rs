//! What is done every few seconds beside the deliveries, on a task of its own: old events are forgotten, and what waits is
//! counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kyc_events::{Change, Effect, Inbox, Reader, StoreError, Sweep, now};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::context::DeliveryContext;
use crate::retry;
use crate::status::Counted;
use crate::store_log::log_failed;

/// Keeps the store in order while a dispatcher delivers from it.
pub(crate) struct Housekeeping {
    context: DeliveryContext,
    reader: Box<dyn Reader>,
    /// Whether the system's clock can be believed when it says that something is old.
    is_settled: Arc<AtomicBool>,
    /// When due times were looked over last.
    clamped: Option<Instant>,
}

/// A change of many events that the store has not taken to its end; why is logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotDone;

// === impl Housekeeping ===

impl Housekeeping {
    pub(crate) fn new(context: DeliveryContext, is_settled: Arc<AtomicBool>) -> Self {
        Self { reader: (context.readers)(), context, is_settled, clamped: None }
    }

    /// Goes on until the shutdown.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                _ = interval.tick() => self.keep_house().await,
                _ = shutdown.changed() => {}
            }
        }
    }

    async fn keep_house(&mut self) {
        if self.clamped.is_none_or(|at| at.elapsed() >= CLAMP) {
            // Where the store did not take it, the next look does it again.
            self.clamped = clamp(&self.context).await.ok().map(|()| Instant::now());
        }
        let old = Sweep {
            keys: now() - retry::millis(self.context.retention.keys),
            delivered: now() - retry::millis(self.context.retention.delivered),
            dead: Some(now() - retry::millis(self.context.retention.dead)),
        };
        let unpark = Change::Unpark { keys: self.context.keyring.key_ids(), now: now() };
        // After a jump of the clock everything may look old.
        let sweep = self.is_settled.load(Ordering::Relaxed).then_some(Change::Sweep(old));
        for change in sweep.into_iter().chain([Change::Shrink, unpark]) {
            // The next look goes on where this one ends.
            let _ = in_pages(&self.context.inbox, change).await;
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
        })
    }
}

/// Brings due times back that lie too far ahead.
///
/// # Errors
///
/// Those of the store; they are logged.
pub(crate) async fn clamp(context: &DeliveryContext) -> Result<(), NotDone> {
    let latest = now() + retry::millis(retry::longest(&context.config));
    in_pages(&context.inbox, Change::Clamp { latest }).await
}

/// Does a change again for as long as it finds something, but not without end.
async fn in_pages(inbox: &Inbox, change: Change) -> Result<(), NotDone> {
    for _ in 0..PAGES {
        match inbox.page(change.clone()).await {
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

/// Does a change of many events to its end, page by page, so that notifications and deliveries go on meanwhile.
pub(crate) async fn until_done(inbox: Inbox, change: Change) {
    loop {
        match inbox.page(change.clone()).await {
            Ok(Effect::Done) => inbox.wake(),
            done => return log_failed(done),
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(10);
/// Pages of one change between two looks at everything.
const PAGES: usize = 500;
/// How often due times are looked over: a database may have gone over to a machine with another clock.
const CLAMP: Duration = Duration::from_secs(3600);
