//! The way into the store: many callers, one writer, one commit for all that waits.

mod damage;
mod paged;
pub(crate) mod queue;
mod room;

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use damage::Damage;
use futures::FutureExt;
use room::{CHANGES, Place, Room};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use crate::intake::Accepted;
use crate::{Change, Effect, NewEvent, StoreError, StoreMetrics, Writer};

/// Takes changes from any task. Cloning gives another way into the same store.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sender: OnceLock<mpsc::Sender<Waiting>>,
    room: Arc<Room>,
    arrivals: Notify,
    news: Mutex<News>,
    damage: Damage,
    /// Held by whoever changes many events.
    bulk: tokio::sync::Mutex<()>,
    metrics: StoreMetrics,
}

/// What has come in since the dispatcher asked last.
#[derive(Debug, Default)]
pub struct News {
    /// The tenants whose events were stored here.
    pub tenants: HashSet<String>,
    /// Whether anything else has changed.
    pub is_more: bool,
}

/// A change on its way to the writer.
#[derive(Debug)]
struct Waiting {
    change: Change,
    answer: oneshot::Sender<Result<Effect, StoreError>>,
    _place: Option<Place>,
}

// === impl Inbox ===

impl Inbox {
    /// An inbox that nobody writes out yet: everything is answered with [`StoreError::Away`].
    pub fn new(metrics: StoreMetrics) -> Self {
        Self(Arc::new(Shared {
            sender: OnceLock::new(),
            room: Arc::default(),
            arrivals: Notify::new(),
            news: Mutex::default(),
            bulk: tokio::sync::Mutex::default(),
            damage: Damage::new(metrics.damaged.clone()),
            metrics,
        }))
    }

    /// Writes out what comes in, for as long as the returned future is polled. A writer that panics is replaced by another
    /// one: without it every notification would be answered 503 until the process is started again.
    pub fn serve<W>(&self, writer: W) -> impl Future<Output = ()> + Send + use<W>
    where
        W: Fn() -> Box<dyn Writer> + Send,
    {
        let (sender, receiver) = mpsc::channel(CHANGES);
        // Served twice it would be written by two; the second one gets nothing.
        let _ = self.0.sender.set(sender);
        write_out(writer, receiver, self.0.metrics.clone(), self.0.damage.clone())
    }

    /// Makes an event durable, within 5 s.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the event may still become durable, and its next sending is a duplicate then.
    pub async fn accept(&self, event: NewEvent) -> Result<Accepted, StoreError> {
        if let Some(reason) = self.0.damage.reason() {
            return Err(StoreError::Damaged(reason));
        }
        let begun = Instant::now();
        let place = self.0.room.place(&event.owner.tenant, event.body.bytes.len()).ok_or(StoreError::Busy)?;
        let sender = self.0.sender.get().ok_or(StoreError::Away)?;
        let (answer, answered) = oneshot::channel();
        let tenant = event.owner.tenant.clone();
        let waiting = Waiting { change: Change::Insert(event), answer, _place: Some(place) };
        sender.try_send(waiting).map_err(|_| StoreError::Busy)?;
        let effect = timeout(COMMIT_TIMEOUT, answered)
            .await
            .map_err(|_| StoreError::Away)?
            .unwrap_or(Err(StoreError::Away))?;
        self.0.metrics.accepted.observe(begun.elapsed().as_secs_f64());
        match effect {
            Effect::Done | Effect::Changed(_) => {
                self.announce(tenant);
                Ok(Accepted::Stored)
            }
            Effect::Revived => {
                self.announce(tenant);
                Ok(Accepted::Revived)
            }
            Effect::Nothing => Ok(Accepted::Duplicate),
            Effect::Full => Err(StoreError::Full),
            Effect::LogFull => Err(StoreError::LogFull),
            Effect::OverShare => Err(StoreError::Share),
        }
    }

    /// Makes any other change durable, however long that takes.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn change(&self, change: Change) -> Result<Effect, StoreError> {
        let sender = self.0.sender.get().ok_or(StoreError::Away)?;
        let (answer, answered) = oneshot::channel();
        sender.send(Waiting { change, answer, _place: None }).await.map_err(|_| StoreError::Away)?;
        answered.await.unwrap_or(Err(StoreError::Away))
    }

    /// Refuses new events from now on, since the store is damaged. Results are still recorded.
    pub fn refuse_damaged(&self, reason: &str) {
        self.0.damage.note(reason);
    }

    /// The same, where an error shows that.
    pub fn notice(&self, error: &StoreError) {
        self.0.damage.notice(error);
    }

    /// Says whether the store is known to be damaged.
    pub fn is_damaged(&self) -> bool {
        self.0.damage.reason().is_some()
    }

    /// Notes how long the write-ahead log is.
    pub fn measure_wal(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.metrics.wal.with(&[]).set(bytes);
    }

    /// How many changes the writer has not begun with.
    pub fn waiting(&self) -> usize {
        self.0.sender.get().map_or(0, |sender| sender.max_capacity().saturating_sub(sender.capacity()))
    }

    /// Counts a notification that was not stored.
    pub fn count_refused(&self, tenant: &str, error: &StoreError) {
        self.0.metrics.refused.with(&[tenant, error.name()]).inc();
    }

    fn announce(&self, tenant: String) {
        self.news().tenants.insert(tenant);
        self.0.arrivals.notify_one();
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.0.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come in since the last call.
    pub fn take_news(&self) -> News {
        std::mem::take(&mut self.news())
    }

    /// Tells the dispatcher to look into the store again.
    pub fn wake(&self) {
        self.news().is_more = true;
        self.0.arrivals.notify_one();
    }

    /// Waits until an event has been stored since the last call.
    pub async fn arrival(&self) {
        self.0.arrivals.notified().await;
    }
}

/// Whatever came in while the last commit was under way is the next batch: no timer, and no commit for one event
/// where many wait.
async fn write_out(
    new_writer: impl Fn() -> Box<dyn Writer>,
    mut receiver: mpsc::Receiver<Waiting>,
    metrics: StoreMetrics,
    damage: Damage,
) {
    let mut writer = new_writer();
    let mut waiting = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut waiting, BATCH).await > 0 {
        let mut answers = Vec::with_capacity(waiting.len());
        let mut places = Vec::with_capacity(waiting.len());
        let mut batch = Vec::with_capacity(waiting.len());
        for entry in waiting.drain(..) {
            batch.push(entry.change);
            answers.push(entry.answer);
            places.push(entry._place);
        }
        let begun = Instant::now();
        // Whether the batch was committed is unknown then, as after a loss of the connection.
        let written = AssertUnwindSafe(writer.write(&batch)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("the event store's writer failed, another one takes its place");
            writer = new_writer();
            vec![Err(StoreError::Away); batch.len()]
        });
        metrics.commit.observe(begun.elapsed().as_secs_f64());
        metrics.batch.observe(batch.len() as f64);
        failpoint!("committed");
        if let Some(Err(error)) = written.iter().find(|effect| effect.is_err()) {
            let changes = written.iter().filter(|effect| effect.is_err()).count();
            metrics.failed.inc();
            damage.notice(error);
            tracing::error!(%error, changes, "the event store did not commit");
        }
        for (answer, effect) in answers.into_iter().zip(written) {
            // Whoever does not wait any more finds its event stored the next time.
            let _ = answer.send(effect);
        }
    }
}

/// The largest batch.
const BATCH: usize = 512;
/// How long a notification waits for its commit; Onfido waits 10 s for its answer.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
