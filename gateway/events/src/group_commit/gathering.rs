//! Notes of the ledger share commits.
//!
//! A commit costs many times what a note in it costs, in CPU and in the disk's time. So a batch of notes begins at the earliest
//! [`INTERVAL`] after the one before, unless it has [`ENOUGH`] of them. The first note after a pause is written at once, and no other
//! command waits: a batch that has one is written as it is.
//!
//! Meanwhile the writer sleeps: to wake it for each note would cost a fifth of the note.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::queued::{BATCH, QueuedCommand};

/// Wakes the writer while it waits for notes.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    wake: Notify,
    /// The notes that a batch lacks to have enough.
    missing: AtomicUsize,
}

// === impl Gathering ===

impl Gathering {
    /// Wakes the writer if it need not wait longer. A command was queued, and with it so many are.
    pub(super) fn queued(&self, may_wait: bool, commands: usize) {
        if !may_wait || commands >= self.missing.load(Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// Adds the commands to a batch of notes that arrive before it begins, if the last one began at `last`. Leaves other batches as
    /// they are. Returns when the last batch of notes began.
    pub(super) async fn gather(
        &self,
        receiver: &mut mpsc::Receiver<QueuedCommand>,
        batch: &mut Vec<QueuedCommand>,
        last: Option<Instant>,
    ) -> Option<Instant> {
        let may_wait = |queued: &QueuedCommand| queued.may_wait;
        let begins = last.map_or_else(Instant::now, |last| last + INTERVAL);
        while Instant::now() < begins && batch.iter().all(may_wait) {
            let missing = ENOUGH.saturating_sub(batch.len());
            self.missing.store(missing, Ordering::SeqCst);
            if receiver.len() < missing {
                tokio::select! {
                    () = sleep_until(begins) => {}
                    // It may have been for the batch before.
                    () = self.wake.notified() => {}
                }
            }
            batch.extend(std::iter::from_fn(|| receiver.try_recv().ok()).take(BATCH - batch.len()));
            if batch.len() >= ENOUGH {
                break;
            }
        }
        if batch.iter().all(may_wait) { Some(Instant::now()) } else { last }
    }
}

/// The shortest time from one batch of few notes to the next. It is what a call waits for its note at most, besides the commits;
/// Onfido's official clients wait 30 s for a response.
const INTERVAL: Duration = Duration::from_millis(50);
/// The notes of a batch that does not wait for more.
const ENOUGH: usize = 16;
