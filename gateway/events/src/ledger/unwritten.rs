//! Entries that the store did not take in time. They wait in memory and are written by one task.
//!
//! One task, because a store that is away makes each batch wait: many tasks that retried would delay the notifications that
//! are queued behind their commands. It tries one entry alone, and the others only when that one is durable.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout_at};

use super::entry::NewEntry;
use super::metrics::{LedgerMetrics, LostReason};
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
    /// Entries that the task has taken and not written yet, by their number.
    taken: HashMap<u64, NewEntry>,
    last_number: u64,
    has_task: bool,
}

// === impl Unwritten ===

impl Unwritten {
    pub(crate) fn new(metrics: LedgerMetrics) -> Self {
        Self { waiting: Arc::default(), is_empty: Arc::default(), wake: Arc::default(), metrics }
    }

    /// Returns whether entries wait: the store is slow or away, so a call need not wait for it.
    pub(crate) fn is_any(&self) -> bool {
        self.waiting().count() > 0
    }

    /// Adds an entry, which is written later. Returns false when the memory for them is full: the entry is lost.
    pub(crate) fn add(&self, entry: NewEntry, commit_queue: &CommitQueue) -> bool {
        let starts_task = {
            let mut waiting = self.waiting();
            if waiting.count() >= MAX_ENTRIES {
                drop(waiting);
                self.lose(&entry, LostReason::NotStored);
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

    /// Waits until all entries are written, or until `deadline`. What is not known to be written then is counted as lost: the store
    /// may still write what it has and has not answered.
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
            let taken = std::mem::take(&mut waiting.taken).into_values();
            let entries: Vec<_> = taken.chain(std::mem::take(&mut waiting.entries)).collect();
            self.show(&waiting);
            entries
        };
        entries.iter().for_each(|entry| self.lose(entry, LostReason::NotStored));
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
    async fn submit(&self, commit_queue: &CommitQueue, (number, entry): (u64, NewEntry)) -> bool {
        let effect = commit_queue.note(entry, false).await;
        let is_written = !matches!(effect, Err(_) | Ok(Effect::Full | Effect::LogFull));
        let mut waiting = self.waiting();
        if let Some(entry) = waiting.taken.remove(&number) {
            match effect {
                Ok(Effect::OverShare) => self.lose(&entry, LostReason::Share),
                _ if is_written => {}
                _ => waiting.entries.push_front(entry),
            }
        }
        self.show(&waiting);
        is_written
    }

    /// Takes the oldest entry. When there is none, the task ends.
    fn next(&self) -> Option<(u64, NewEntry)> {
        let mut waiting = self.waiting();
        let first = waiting.take();
        if first.is_none() {
            waiting.has_task = false;
            self.is_empty.notify_waiters();
        }
        first
    }

    /// Takes up to `count` entries, the oldest first.
    fn take(&self, count: usize) -> Vec<(u64, NewEntry)> {
        let mut waiting = self.waiting();
        std::iter::from_fn(|| waiting.take()).take(count).collect()
    }

    /// Counts an entry as lost.
    pub(crate) fn lose(&self, entry: &NewEntry, reason: LostReason) {
        self.metrics.lose(entry, reason);
    }

    fn show(&self, waiting: &Waiting) {
        self.metrics.unwritten.set(i64::try_from(waiting.count()).unwrap_or(i64::MAX));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Waiting ===

impl Waiting {
    fn count(&self) -> usize {
        self.entries.len() + self.taken.len()
    }

    /// Takes the oldest entry, with its number.
    fn take(&mut self) -> Option<(u64, NewEntry)> {
        let entry = self.entries.pop_front()?;
        self.last_number += 1;
        self.taken.insert(self.last_number, entry.clone());
        Some((self.last_number, entry))
    }
}

/// The most entries that wait. Each takes about 1 KiB.
const MAX_ENTRIES: usize = 10_000;
/// Entries that are written together. Notifications of the batch wait for all.
const ENTRIES_PER_BATCH: usize = 32;
/// Pause after the first failure, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
