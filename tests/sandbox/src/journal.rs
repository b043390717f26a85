//! A list of recorded entries that a test can wait on.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// The recorded entries, in their order.
#[derive(Debug)]
pub struct Journal<T> {
    entries: Mutex<Vec<T>>,
    grown: watch::Sender<()>,
}

/// The expected entry did not appear within [`Journal::WAIT_LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSeen {
    /// The number of entries at the timeout.
    pub entries: usize,
}

// === impl Journal ===

impl<T> Journal<T> {
    /// The timeout of [`wait_for`](Self::wait_for).
    pub const WAIT_LIMIT: Duration = Duration::from_secs(30);

    /// Creates an empty journal.
    pub fn new() -> Self {
        Self { entries: Mutex::default(), grown: watch::Sender::new(()) }
    }

    /// Adds an entry and wakes the waiting tasks.
    pub fn push(&self, entry: T) {
        self.lock().push(entry);
        self.grown.send_replace(());
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Calls `inspect` with the entries, without copying them.
    pub fn inspect<R>(&self, inspect: impl FnOnce(&[T]) -> R) -> R {
        inspect(&self.lock())
    }

    /// Waits until `found` returns a result for the entries. It is called again after each new entry.
    ///
    /// # Errors
    ///
    /// [`NotSeen`] after [`WAIT_LIMIT`](Self::WAIT_LIMIT).
    pub async fn wait_for<R>(&self, mut found: impl FnMut(&[T]) -> Option<R>) -> Result<R, NotSeen> {
        let mut grown = self.grown.subscribe();
        let search = async {
            loop {
                grown.borrow_and_update();
                if let Some(result) = self.inspect(&mut found) {
                    return result;
                }
                // The sender lives as long as the journal.
                let _ = grown.changed().await;
            }
        };
        tokio::time::timeout(Self::WAIT_LIMIT, search).await.map_err(|_| NotSeen { entries: self.len() })
    }

    /// Waits until there are `count` entries.
    ///
    /// # Errors
    ///
    /// [`NotSeen`] after [`WAIT_LIMIT`](Self::WAIT_LIMIT).
    pub async fn wait_for_count(&self, count: usize) -> Result<(), NotSeen> {
        self.wait_for(|entries| (entries.len() >= count).then_some(())).await
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Journal<T> {
    /// Returns a copy of all entries.
    pub fn all(&self) -> Vec<T> {
        self.lock().clone()
    }
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self::new()
    }
}

// === impl NotSeen ===

impl std::fmt::Display for NotSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not seen among {} entries", self.entries)
    }
}

impl std::error::Error for NotSeen {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Journal, NotSeen};

    #[tokio::test]
    async fn wait_ends_when_the_entry_appears() {
        let journal = Arc::new(Journal::new());
        let writer = Arc::clone(&journal);

        let writing = tokio::spawn(async move { (1..=3).for_each(|entry| writer.push(entry)) });
        let found = journal.wait_for(|entries| entries.iter().find(|entry| **entry == 3).copied()).await;

        assert_eq!(found, Ok(3));
        writing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn wait_for_a_missing_entry_times_out() {
        let journal = Journal::new();
        journal.push(1);

        let found = journal.wait_for_count(2).await;

        assert_eq!(found, Err(NotSeen { entries: 1 }));
    }
}
