//! The failure rate of the last attempts.

use std::time::Duration;

use tokio::time::Instant;

/// Successes and failures of the current window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    since: Instant,
    all: u32,
    failed: u32,
}

// === impl Window ===

impl Window {
    pub(super) fn new(since: Instant) -> Self {
        Self { since, all: 0, failed: 0 }
    }

    pub(super) fn record(&mut self, now: Instant, is_failure: bool) {
        if now.duration_since(self.since) > WINDOW {
            *self = Self::new(now);
        }
        self.all += 1;
        self.failed += u32::from(is_failure);
    }

    /// Returns whether the window has at least `MIN_ATTEMPTS` attempts, and half of them have failed.
    pub(super) fn is_over_failure_rate(&self) -> bool {
        self.all >= MIN_ATTEMPTS && self.failed * 2 >= self.all
    }
}

/// Attempts within [`WINDOW`] after which a failure rate of one half opens the breaker.
const MIN_ATTEMPTS: u32 = 20;
pub(super) const WINDOW: Duration = Duration::from_secs(30);
