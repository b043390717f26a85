//! Queues of requests over the limit, one for each tenant, first in, first out.
//!
//! The limiter itself has no order: among waiting requests, whichever asks first would get the next permit. So only the first
//! request of a queue asks the limiter, and a new request joins the queue even if a permit is free.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kyc_model::TenantName;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The queues of a route. A queue exists while a request waits in it.
pub(crate) struct Queue {
    /// The longest time that a request waits.
    wait: Duration,
    /// The time between two permits.
    pace: Duration,
    lines: Mutex<HashMap<TenantName, Line>>,
}

/// The result of [`Queue::enter`].
pub(crate) enum Entry {
    /// The request has a permit and does not wait.
    Free,
    /// The request is the last one in the queue.
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
    /// When the first request is expected to get its permit.
    next: Instant,
    /// The first request holds it. Tokio's mutex is fair, so the waiting requests get it in order.
    front: Arc<tokio::sync::Mutex<()>>,
}

// === impl Queue ===

impl Queue {
    /// Builds a queue that releases one request per `pace`, and in which no request waits longer than `wait`.
    pub(crate) fn new(wait: Duration, pace: Duration) -> Self {
        Self { wait, pace, lines: Mutex::default() }
    }

    /// Takes a permit with `take`, or a place in the tenant's queue. `take` returns the time until the next permit if there
    /// is none.
    ///
    /// While a request waits, a new request takes no permit, because the next permit belongs to the first in the queue.
    ///
    /// # Errors
    ///
    /// The expected waiting time, when it is longer than `wait`.
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

    /// Records when the first request is expected to get its permit.
    fn set_next(&self, tenant: &TenantName, next: Instant) {
        if let Some(line) = self.lines().get_mut(tenant) {
            line.next = next;
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<TenantName, Line>> {
        // Every change of the map is a single step, so a panic cannot leave it inconsistent.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Place {
    /// Waits until the earlier requests have left the queue and `take` gets a permit.
    ///
    /// # Errors
    ///
    /// The expected waiting time of a new request, when this one gets no permit within `wait`.
    pub(crate) async fn turn(self, take: impl Fn() -> Result<(), Duration>) -> Result<(), Duration> {
        // The guard is dropped before `self`: the next request becomes the first before the queue gets shorter.
        let Ok(_front) = timeout_at(self.deadline, self.front.lock()).await else {
            return Err(self.expected_wait());
        };
        loop {
            let Err(wait) = take() else {
                self.queue.set_next(&self.tenant, Instant::now() + self.queue.pace);
                return Ok(());
            };
            let next = Instant::now() + wait;
            self.queue.set_next(&self.tenant, next);
            // Waiting for a permit that comes after the deadline would only delay the requests behind.
            if next > self.deadline {
                return Err(wait);
            }
            sleep_until(next).await;
        }
    }

    /// Estimates the waiting time of a new request behind all others that wait now.
    fn expected_wait(&self) -> Duration {
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
    /// Estimates the waiting time of a request behind `others` waiting requests.
    fn wait_behind(&self, others: u32, now: Instant, pace: Duration) -> Duration {
        self.next.saturating_duration_since(now).saturating_add(pace.saturating_mul(others))
    }
}

#[cfg(test)]
mod tests;
