//! Entries that the store did not take in time. They wait in memory and are written by one task.
//!
//! One task, because a store that is away makes each batch wait: many tasks that retried would delay the notifications that
//! are queued behind their commands. It tries one entry alone, and the others only when that one is durable.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout_at};

use super::entry::NewEntry;
use super::metrics::LedgerMetrics;
use crate::{CommitQueue, Effect};

/// The entries that wait; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Unwritten {
    waiting: Arc<Mutex<Waiting>>,
    is_empty: Arc<Notify>,
    /// Ends a pause of the task.
    wake: Arc<Notify>,
    metrics: LedgerMetrics,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<NewEntry>,
    /// Entries that the task has taken and not written yet.
    taken: usize,
    has_task: bool,
}

// === impl Unwritten ===

impl Unwritten {
    pub(crate) fn new(metrics: LedgerMetrics) -> Self {
        Self { waiting: Arc::default(), is_empty: Arc::default(), wake: Arc::default(), metrics }
    }

    /// Returns whether entries wait: the store is slow or away, so a call need not wait for it.
    pub(crate) fn is_any(&self) -> bool {
        let waiting = self.waiting();
        waiting.taken > 0 || !waiting.entries.is_empty()
    }

    /// Adds an entry, which is written later. Returns false when the memory for them is full: the entry is lost.
    pub(crate) fn add(&self, entry: NewEntry, commit_queue: &CommitQueue) -> bool {
        let starts_task = {
            let mut waiting = self.waiting();
            if waiting.entries.len() + waiting.taken >= MAX_ENTRIES {
                drop(waiting);
                self.lose(&entry);
                return false;
            }
            waiting.entries.push_back(entry);
            self.show(&waiting);
            !std::mem::replace(&mut waiting.has_task, true)
        };
        // Outside of a runtime nothing can be written; `drain` counts the entry.
        if starts_task && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (unwritten, commit_queue) = (self.clone(), commit_queue.clone());
            runtime.spawn(async move { unwritten.write(&commit_queue).await });
        }
        true
    }

    /// Waits until all entries are written, or until `deadline`. What is not written then is counted as lost.
    pub(crate) async fn drain(&self, deadline: tokio::time::Instant) {
        self.wake.notify_one();
        while self.is_any() {
            let written = self.is_empty.notified();
            // Another look, because the task may have ended before the line above.
            if self.is_any() && timeout_at(deadline, written).await.is_err() {
                break;
            }
        }
        let entries = {
            let mut waiting = self.waiting();
            let entries = std::mem::take(&mut waiting.entries);
            self.show(&waiting);
            entries
        };
        entries.iter().for_each(|entry| self.lose(entry));
        if self.is_any() {
            tracing::error!(
                "the event store did not answer for the last entries of the ledger; they may be lost"
            );
        }
    }

    /// Writes entries until none waits.
    async fn write(&self, commit_queue: &CommitQueue) {
        let mut pause = FIRST_PAUSE;
        while let Some(first) = self.next() {
            if !self.submit(commit_queue, first).await {
                tokio::select! {
                    () = sleep(pause) => pause = (pause * 2).min(MAX_PAUSE),
                    // The store may be back, and the process ends.
                    () = self.wake.notified() => pause = FIRST_PAUSE,
                }
                continue;
            }
            pause = FIRST_PAUSE;
            let others = self.take(ENTRIES_PER_BATCH);
            join_all(others.into_iter().map(|entry| self.submit(commit_queue, entry))).await;
        }
    }

    /// Writes an entry that was taken; puts it back when that fails.
    async fn submit(&self, commit_queue: &CommitQueue, entry: NewEntry) -> bool {
        let effect = commit_queue.note(entry.clone()).await;
        let is_written = !matches!(effect, Err(_) | Ok(Effect::Full | Effect::LogFull));
        let mut waiting = self.waiting();
        waiting.taken = waiting.taken.saturating_sub(1);
        if !is_written {
            waiting.entries.push_front(entry);
        }
        self.show(&waiting);
        is_written
    }

    /// Takes the oldest entry. When there is none, the task ends.
    fn next(&self) -> Option<NewEntry> {
        let mut waiting = self.waiting();
        let first = waiting.entries.pop_front();
        if first.is_some() {
            waiting.taken += 1;
        } else {
            waiting.has_task = false;
            self.is_empty.notify_waiters();
        }
        first
    }

    /// Takes up to `count` entries, the oldest first.
    fn take(&self, count: usize) -> Vec<NewEntry> {
        let mut waiting = self.waiting();
        let count = count.min(waiting.entries.len());
        let taken: Vec<_> = waiting.entries.drain(..count).collect();
        waiting.taken += taken.len();
        taken
    }

    fn lose(&self, entry: &NewEntry) {
        self.metrics.lost.with(&[entry.owner.tenant.as_str()]).inc();
        tracing::error!(
            tenant = entry.owner.tenant,
            request_id = entry.trace.split(' ').next().unwrap_or_default(),
            kind = entry.kind.name(),
            "a started check is not in the ledger: the event store did not take it in time"
        );
    }

    fn show(&self, waiting: &Waiting) {
        let entries = waiting.entries.len() + waiting.taken;
        self.metrics.unwritten.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most entries that wait. Each takes about 1 KiB.
const MAX_ENTRIES: usize = 10_000;
/// Entries that are written together. In PostgreSQL each is a commit of its own, and notifications of the batch wait for all.
const ENTRIES_PER_BATCH: usize = 32;
/// Pause after the first failure, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
