//! Those that wait for their turn, in a line for each tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kyc_model::TenantName;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The lines of a route. A line is there as long as somebody stands in it.
pub(crate) struct Queue {
    wait: Duration,
    /// From one turn to the next.
    pace: Duration,
    lines: Mutex<HashMap<TenantName, Line>>,
}

/// What a request finds when it comes.
pub(crate) enum Entry {
    /// Nobody waits, and there is a cell for it.
    Free,
    /// A place at the end of the line.
    Waits(Place),
}

/// A place in a line; whoever drops it has left.
pub(crate) struct Place {
    queue: Arc<Queue>,
    tenant: TenantName,
    front: Arc<tokio::sync::Mutex<()>>,
    deadline: Instant,
}

/// Those of one tenant that wait.
struct Line {
    waiting: u32,
    /// When the first of them can go, as far as is known.
    next: Instant,
    /// The first of them holds it. Tokio hands it on in the order in which it was asked for.
    front: Arc<tokio::sync::Mutex<()>>,
}

// === impl Queue ===

impl Queue {
    /// Starts without lines. In each a turn comes every `pace`, and nobody waits longer than `wait`.
    pub(crate) fn new(wait: Duration, pace: Duration) -> Self {
        Self { wait, pace, lines: Mutex::default() }
    }

    /// Takes a cell with `take` (which says how long until there is one), or a place in the tenant's line.
    ///
    /// While anybody waits nobody else takes a cell: it would be the cell of the first in the line.
    ///
    /// # Errors
    ///
    /// How long its turn would take, when that is longer than a request may wait.
    pub(crate) fn enter(
        self: &Arc<Self>,
        tenant: &TenantName,
        take: impl FnOnce() -> Result<(), Duration>,
    ) -> Result<Entry, Duration> {
        let now = Instant::now();
        let mut lines = self.lines();
        let wait = match lines.get(tenant) {
            Some(line) => line.wait_behind(line.waiting, now, self.pace),
            None => match take() {
                Ok(()) => return Ok(Entry::Free),
                Err(wait) => wait,
            },
        };
        if wait > self.wait {
            return Err(wait);
        }
        let line = lines.entry(tenant.clone()).or_insert_with(|| Line {
            waiting: 0,
            next: now + wait,
            front: Arc::default(),
        });
        line.waiting += 1;
        Ok(Entry::Waits(Place {
            queue: Arc::clone(self),
            tenant: tenant.clone(),
            front: Arc::clone(&line.front),
            deadline: now + self.wait,
        }))
    }

    /// Notes when the first in the line can go.
    fn note_next(&self, tenant: &TenantName, next: Instant) {
        if let Some(line) = self.lines().get_mut(tenant) {
            line.next = next;
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<TenantName, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Place {
    /// Waits until all that stood before are gone and `take` gets a cell.
    ///
    /// # Errors
    ///
    /// How long another try would take, when the turn does not come in time.
    pub(crate) async fn turn(self, take: impl Fn() -> Result<(), Duration>) -> Result<(), Duration> {
        // Dropped before `self`, so the next one is in front before the line gets shorter.
        let Ok(_front) = timeout_at(self.deadline, self.front.lock()).await else {
            return Err(self.wait_again());
        };
        loop {
            let Err(wait) = take() else {
                self.queue.note_next(&self.tenant, Instant::now() + self.queue.pace);
                return Ok(());
            };
            let next = Instant::now() + wait;
            self.queue.note_next(&self.tenant, next);
            // To wait for a turn that comes too late would only hold up the others.
            if next > self.deadline {
                return Err(wait);
            }
            sleep_until(next).await;
        }
    }

    /// How long it would take behind all others that wait now.
    fn wait_again(&self) -> Duration {
        let lines = self.queue.lines();
        lines.get(&self.tenant).map_or(self.queue.pace, |line| {
            line.wait_behind(line.waiting.saturating_sub(1), Instant::now(), self.queue.pace)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.queue.lines();
        let Some(line) = lines.get_mut(&self.tenant) else { return };
        line.waiting = line.waiting.saturating_sub(1);
        if line.waiting == 0 {
            lines.remove(&self.tenant);
        }
    }
}

// === impl Line ===

impl Line {
    /// How long the turn takes of one that stands behind so many others.
    fn wait_behind(&self, others: u32, now: Instant, pace: Duration) -> Duration {
        self.next.saturating_duration_since(now).saturating_add(pace.saturating_mul(others))
    }
}

#[cfg(test)]
mod tests;
