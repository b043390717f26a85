//! How many of the last tries have failed.

use std::time::Duration;

use tokio::time::Instant;

/// Successes and failures since some moment, not long ago.
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

    pub(super) fn note(&mut self, now: Instant, is_failure: bool) {
        if now.duration_since(self.since) > WINDOW {
            *self = Self::new(now);
        }
        self.all += 1;
        self.failed += u32::from(is_failure);
    }

    /// Says whether at least half of enough tries have failed.
    pub(super) fn is_bad(&self) -> bool {
        self.all >= MIN_TRIES && self.failed * 2 >= self.all
    }
}

/// So many tries within [`WINDOW`], half of them failed, open it too.
const MIN_TRIES: u32 = 20;
pub(super) const WINDOW: Duration = Duration::from_secs(30);
