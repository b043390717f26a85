//! The ledger of started checks in the event store.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::event_store::EventStore;
use crate::{
    Accepted, Effect, Expected, LostReason, NewEntry, Noted, Notification, Source, Started, StoreError,
};

/// An entry that is not durable yet. When the call that waits for it is dropped, the entry goes on in memory.
struct Pending<'a> {
    store: &'a EventStore,
    entry: Option<NewEntry>,
}

// === impl EventStore ===

impl EventStore {
    /// Stores the result of a started check that a look-up has found, as if Onfido had notified it, and settles its entry in
    /// the same transaction. A result that was settled meanwhile is not stored: [`Accepted::Duplicate`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it was not stored; the entry stays open.
    pub async fn store_found(&self, found: &Notification<'_>) -> Result<Accepted, StoreError> {
        self.insert(found, Source::Reconciliation).await
    }

    /// Writes the entries that wait in memory, until `deadline`. Those that the store does not take are counted as lost.
    pub async fn drain_ledger(&self, deadline: Instant) {
        self.unwritten.drain(deadline).await;
    }

    /// Notes a started check or workflow run, as [`crate::Ledger::note`] says.
    pub async fn note(&self, started: Started<'_>, expected: Expected) -> Noted {
        let mut pending = Pending { store: self, entry: Some(started.entry(expected)) };
        // While others wait, the store is slow or away, and this call would wait in vain.
        if !self.unwritten.is_any()
            && let Some(entry) = pending.entry.clone()
        {
            let effect = timeout(MAX_WAIT, self.commit_queue.note(entry, true)).await;
            match effect {
                Ok(Ok(Effect::Done | Effect::Nothing | Effect::Settled)) => pending.entry = None,
                Ok(Ok(Effect::OverShare)) => {
                    if let Some(entry) = pending.entry.take() {
                        self.unwritten.lose(&entry, LostReason::Share);
                    }
                    return Noted::Lost;
                }
                _ => {}
            }
        }
        pending.keep()
    }
}

// === impl Pending ===

impl Pending<'_> {
    /// Keeps the entry in memory. After a timeout it may be committed all the same; it is written once.
    fn keep(&mut self) -> Noted {
        match self.entry.take() {
            None => Noted::Durable,
            Some(entry) => match self.store.unwritten.add(entry, &self.store.commit_queue) {
                true => Noted::Waiting,
                false => Noted::Lost,
            },
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.keep();
    }
}

/// How long a call waits for its note.
const MAX_WAIT: Duration = Duration::from_secs(1);
