//! Queues of requests over the limit, one for each tenant, first in, first out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kyc_model::TenantName;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The queues of a route. A queue exists while a request waits in it.
pub(crate) struct Queue {
    wait: Duration,
    /// The time between two permits.
    pace: Duration,
    lines: Mutex<HashMap<TenantName, Line>>,
}

/// The result of entering.
pub(crate) enum Entry {
    /// No request waits, and the request has its permit.
    Free,
    /// The request is the last in the queue.
    Waits(Place),
}

/// A place in a queue; dropping it leaves the queue.
pub(crate) struct Place {
    queue: Arc<Queue>,
    tenant: TenantName,
    front: Arc<tokio::sync::Mutex<()>>,
    deadline: Instant,
}

/// The queue of one tenant.
struct Line {
    waiting: u32,
    /// When the first request can go on, as far as is known.
    next: Instant,
    /// Held by the first request; tokio's mutex is fair, so requests get it in order.
    front: Arc<tokio::sync::Mutex<()>>,
}

// === impl Queue ===

impl Queue {
    /// Starts empty. A queue releases a request every `pace`; none waits longer than `wait`.
    pub(crate) fn new(wait: Duration, pace: Duration) -> Self {
        Self { wait, pace, lines: Mutex::default() }
    }

    /// Takes a permit with `take`, which else returns the time until there is one, or a place in the tenant's queue.
    ///
    /// While a request waits, no other takes a permit: it belongs to the first in the queue.
    ///
    /// # Errors
    ///
    /// The time until the request could go on, when that is longer than `wait`.
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

    /// Records when the first request can go on.
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
    /// Waits until the requests before are gone and `take` gets a permit.
    ///
    /// # Errors
    ///
    /// The time after which a new request could go on, when this one is not released in time.
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
