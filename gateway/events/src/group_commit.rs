//! Group commit: many tasks submit commands, one writer commits all queued commands in one transaction.
//!
//! A commit costs an fsync. While one is running, commands queue up and form the next batch, so that the number of commits
//! does not grow with the number of notifications, and a single notification never waits for a timer. With one commit for
//! each event, SQLite would store about 5,000 events a second; with group commit it stores several times as many.
//!
//! Notes of the ledger do wait for each other, for milliseconds (`gathering`): a commit for each would cost more than a call may.

mod capacity;
mod damage;
mod gathering;
mod paged;
pub(crate) mod queue_length;
mod queued;

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use capacity::{Capacity, MAX_COMMANDS};
use damage::Damage;
use futures::FutureExt;
use gathering::Gathering;
use kyc_resilience::failpoint;
use queued::{BATCH, QueuedCommand};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use crate::intake::Accepted;
use crate::{Command, Effect, NewEntry, NewEvent, Source, StoreError, StoreMetrics, Writer};

/// The queue of commands for the writer. Any task may submit commands; clones share the queue.
#[derive(Clone, Debug)]
pub struct CommitQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sender: OnceLock<mpsc::Sender<QueuedCommand>>,
    capacity: Arc<Capacity>,
    stored: Notify,
    gathering: Arc<Gathering>,
    arrivals: Mutex<Arrivals>,
    damage: Damage,
    /// Serialises paged commands.
    bulk: tokio::sync::Mutex<()>,
    metrics: StoreMetrics,
}

/// What was committed since the dispatcher last called [`CommitQueue::take_arrivals`].
#[derive(Debug, Default)]
pub struct Arrivals {
    /// The tenants of which this process has stored events.
    pub tenants: HashSet<String>,
    /// Whether another command, or another gateway, has changed events, so all tenants must be read again.
    pub has_other_changes: bool,
}

// === impl CommitQueue ===

impl CommitQueue {
    /// Creates a queue without a writer. Every command fails with [`StoreError::Unavailable`] until [`CommitQueue::serve`]
    /// is called.
    pub fn new(metrics: StoreMetrics) -> Self {
        Self(Arc::new(Shared {
            sender: OnceLock::new(),
            capacity: Arc::default(),
            stored: Notify::new(),
            gathering: Arc::default(),
            arrivals: Mutex::default(),
            bulk: tokio::sync::Mutex::default(),
            damage: Damage::new(metrics.damaged.clone()),
            metrics,
        }))
    }

    /// Commits queued commands while the returned future is polled. A writer that panics is replaced: without a writer every
    /// notification would be answered 503 until the process is restarted.
    pub fn serve<W>(&self, writer: W) -> impl Future<Output = ()> + Send + use<W>
    where
        W: Fn() -> Box<dyn Writer> + Send,
    {
        let (sender, receiver) = mpsc::channel(MAX_COMMANDS);
        // Only the first call gets commands: a store must have one writer.
        let _ = self.0.sender.set(sender);
        let gathering = Arc::clone(&self.0.gathering);
        commit_batches(writer, receiver, gathering, self.0.metrics.clone(), self.0.damage.clone())
    }

    /// Stores an event durably within 5 s.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store is damaged, full or not open, the queue is full, or the commit fails or times out.
    /// After a timeout the event may still be committed; Onfido's retry is then a duplicate.
    pub async fn accept(&self, event: NewEvent) -> Result<Accepted, StoreError> {
        if let Some(reason) = self.0.damage.reason() {
            return Err(StoreError::Damaged(reason));
        }
        let started = Instant::now();
        let reservation =
            self.0.capacity.reserve(&event.owner.tenant, event.body.bytes.len()).ok_or(StoreError::Busy)?;
        let sender = self.0.sender.get().ok_or(StoreError::Unavailable)?;
        let (answer, answered) = oneshot::channel();
        let (tenant, source) = (event.owner.tenant.clone(), event.source);
        let waiting = QueuedCommand {
            command: Command::Insert(event),
            answer,
            may_wait: false,
            _reservation: Some(reservation),
        };
        // A full queue refuses at once: to wait here would hold the body in memory, and Onfido sends it again anyway.
        sender.try_send(waiting).map_err(|_| StoreError::Busy)?;
        self.0.gathering.queued(false, self.waiting());
        let effect = timeout(COMMIT_TIMEOUT, answered)
            .await
            .map_err(|_| StoreError::Unavailable)?
            .unwrap_or(Err(StoreError::Unavailable))?;
        self.0.metrics.accepted.observe(started.elapsed().as_secs_f64());
        match effect {
            Effect::Done | Effect::Changed(_) => {
                self.wake_for(tenant);
                Ok(Accepted::Stored)
            }
            Effect::Settled => {
                self.0.metrics.ledger.count_settled(&tenant, source);
                self.wake_for(tenant);
                Ok(Accepted::Stored)
            }
            Effect::Revived => {
                self.wake_for(tenant);
                Ok(Accepted::Revived)
            }
            Effect::Nothing => Ok(Accepted::Duplicate),
            Effect::Full => Err(StoreError::Full),
            Effect::LogFull => Err(StoreError::LogFull),
            Effect::OverShare => Err(StoreError::Share),
        }
    }

    /// Submits any other command and waits until it is durable. There is no timeout: a result of a delivery must not be lost
    /// because a commit is slow.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store is not open or the commit failed.
    pub async fn submit(&self, command: Command) -> Result<Effect, StoreError> {
        self.queue(command, false).await
    }

    async fn queue(&self, command: Command, may_wait: bool) -> Result<Effect, StoreError> {
        let sender = self.0.sender.get().ok_or(StoreError::Unavailable)?;
        let (answer, answered) = oneshot::channel();
        sender
            .send(QueuedCommand { command, answer, may_wait, _reservation: None })
            .await
            .map_err(|_| StoreError::Unavailable)?;
        self.0.gathering.queued(may_wait, self.waiting());
        answered.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Inserts an entry of the ledger and waits until it is durable, like [`Self::submit`]. If it `may_wait`, it waits up to 50 ms
    /// after the last notes, so that others share the commit. Counts an entry that a notification has settled already.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store is not open or the commit failed.
    pub async fn note(&self, entry: NewEntry, may_wait: bool) -> Result<Effect, StoreError> {
        let tenant = entry.owner.tenant.clone();
        let effect = self.queue(Command::Note(entry), may_wait).await?;
        if effect == Effect::Settled {
            self.0.metrics.ledger.count_settled(&tenant, Source::Notification);
        }
        Ok(effect)
    }

    /// Marks the store as damaged and refuses new events from now on. Results are still recorded.
    pub fn mark_damaged(&self, reason: &str) {
        self.0.damage.mark(reason);
    }

    /// Marks the store as damaged if the error is [`StoreError::Damaged`].
    pub fn mark_if_damaged(&self, error: &StoreError) {
        self.0.damage.mark_if_damaged(error);
    }

    /// Returns whether the store was found damaged.
    pub fn is_damaged(&self) -> bool {
        self.0.damage.reason().is_some()
    }

    /// Sets the metric of the write-ahead log's size, in bytes.
    pub fn set_wal_bytes(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.metrics.wal.with(&[]).set(bytes);
    }

    /// Returns the number of commands in the queue.
    pub fn waiting(&self) -> usize {
        self.0.sender.get().map_or(0, |sender| sender.max_capacity().saturating_sub(sender.capacity()))
    }

    /// Counts a notification that was not stored.
    pub fn count_refused(&self, tenant: &str, error: &StoreError) {
        self.0.metrics.refused.with(&[tenant, error.name()]).inc();
    }

    /// Wakes the dispatcher to read the events of one tenant.
    fn wake_for(&self, tenant: String) {
        self.arrivals().tenants.insert(tenant);
        self.0.stored.notify_one();
    }

    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.0.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns what was committed since the last call.
    pub fn take_arrivals(&self) -> Arrivals {
        std::mem::take(&mut self.arrivals())
    }

    /// Wakes the dispatcher to read the events of all tenants.
    pub fn wake(&self) {
        self.arrivals().has_other_changes = true;
        self.0.stored.notify_one();
    }

    /// Waits until an event is stored or [`Self::wake`] is called.
    pub async fn wait_for_arrival(&self) {
        self.0.stored.notified().await;
    }
}

/// Commits batches of commands until the queue is closed. The commands that arrive during a commit form the next batch.
async fn commit_batches(
    new_writer: impl Fn() -> Box<dyn Writer>,
    mut receiver: mpsc::Receiver<QueuedCommand>,
    gathering: Arc<Gathering>,
    metrics: StoreMetrics,
    damage: Damage,
) {
    let mut writer = new_writer();
    let mut waiting = Vec::with_capacity(BATCH);
    let mut last_notes = None;
    while receiver.recv_many(&mut waiting, BATCH).await > 0 {
        last_notes = gathering.gather(&mut receiver, &mut waiting, last_notes).await;
        let mut answers = Vec::with_capacity(waiting.len());
        let mut reservations = Vec::with_capacity(waiting.len());
        let mut batch = Vec::with_capacity(waiting.len());
        for entry in waiting.drain(..) {
            batch.push(entry.command);
            answers.push(entry.answer);
            // Kept until the commit has ended, because until then the bodies use the memory.
            reservations.push(entry._reservation);
        }
        let started = Instant::now();
        // After a panic it is unknown whether the batch was committed, as after a lost connection.
        let written = AssertUnwindSafe(writer.write(&batch)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("the event store's writer failed and was replaced");
            writer = new_writer();
            vec![Err(StoreError::Unavailable); batch.len()]
        });
        metrics.commit.observe(started.elapsed().as_secs_f64());
        metrics.batch.observe(batch.len() as f64);
        failpoint!("committed");
        if let Some(Err(error)) = written.iter().find(|effect| effect.is_err()) {
            let changes = written.iter().filter(|effect| effect.is_err()).count();
            metrics.failed.inc();
            damage.mark_if_damaged(error);
            tracing::error!(%error, changes, "the event store did not commit");
        }
        for (answer, effect) in answers.into_iter().zip(written) {
            // The caller may have timed out; Onfido then repeats the notification, which is a duplicate.
            let _ = answer.send(effect);
        }
    }
}

/// How long a notification waits for its commit. Onfido waits 10 s for the response, which also has to travel back.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
