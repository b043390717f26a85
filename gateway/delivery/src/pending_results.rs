//! Results of attempts that wait for the store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kyc_telemetry::Gauge;
use tokio::time::Instant;

/// How many results wait for the store, and since when. While there are any, no attempt starts: after a crash, all
/// unrecorded events would be delivered again.
#[derive(Clone, Debug)]
pub(crate) struct PendingResults {
    waiting: Arc<Mutex<Waiting>>,
    gauge: Gauge,
}

#[derive(Debug, Default)]
struct Waiting {
    results: i64,
    since: Option<Instant>,
}

// === impl PendingResults ===

impl PendingResults {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self { waiting: Arc::default(), gauge }
    }

    /// Records that the store did not commit a result.
    pub(crate) fn begin(&self) {
        self.change(|waiting| {
            waiting.results += 1;
            waiting.since.get_or_insert_with(Instant::now);
        });
    }

    /// Records that the store has committed it.
    pub(crate) fn end(&self) {
        self.change(|waiting| {
            waiting.results -= 1;
            if waiting.results == 0 {
                waiting.since = None;
            }
        });
    }

    /// Returns whether any result waits.
    pub(crate) fn is_any(&self) -> bool {
        self.change(|waiting| waiting.results) > 0
    }

    /// Returns whether results have waited for longer than a failover or a restart takes.
    pub(crate) fn is_stuck(&self) -> bool {
        self.change(|waiting| waiting.since).is_some_and(|since| since.elapsed() >= GRACE)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut waiting);
        self.gauge.set(waiting.results);
        changed
    }
}

const GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use kyc_telemetry::MetricsRegistry;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn store_is_stuck_when_results_wait_longer_than_a_failover() {
        let pending_results = PendingResults::new(
            MetricsRegistry::default().gauge("results", "Results.", &[]).unwrap().with(&[]),
        );

        pending_results.begin();
        pending_results.begin();
        tokio::time::advance(Duration::from_secs(4)).await;
        let early = pending_results.is_stuck();
        pending_results.end();
        tokio::time::advance(Duration::from_secs(2)).await;
        let late = (pending_results.is_any(), pending_results.is_stuck());
        pending_results.end();

        assert_eq!((early, late), (false, (true, true)));
        assert_eq!((pending_results.is_any(), pending_results.is_stuck()), (false, false));
    }
}
