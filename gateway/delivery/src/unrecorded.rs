//! Results that the store could not take yet.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kyc_telemetry::Gauge;
use tokio::time::Instant;

/// How many results wait for the store, and since when. While there are any, nothing new is begun, since a crash would
/// deliver all of them again.
#[derive(Clone, Debug)]
pub(crate) struct Unrecorded {
    waiting: Arc<Mutex<Waiting>>,
    gauge: Gauge,
}

#[derive(Debug, Default)]
struct Waiting {
    results: i64,
    since: Option<Instant>,
}

// === impl Unrecorded ===

impl Unrecorded {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self { waiting: Arc::default(), gauge }
    }

    /// Notes that the store did not take a result.
    pub(crate) fn begin(&self) {
        self.change(|waiting| {
            waiting.results += 1;
            waiting.since.get_or_insert_with(Instant::now);
        });
    }

    /// Notes that it has taken it at last.
    pub(crate) fn end(&self) {
        self.change(|waiting| {
            waiting.results -= 1;
            if waiting.results == 0 {
                waiting.since = None;
            }
        });
    }

    /// Says whether there are any.
    pub(crate) fn is_any(&self) -> bool {
        self.change(|waiting| waiting.results) > 0
    }

    /// Says whether the store has refused results for longer than a failover or a restart takes.
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
    async fn a_store_is_stuck_when_results_have_waited_for_longer_than_a_failover() {
        let unrecorded =
            Unrecorded::new(MetricsRegistry::default().gauge("results", "Results.", &[]).unwrap().with(&[]));

        unrecorded.begin();
        unrecorded.begin();
        tokio::time::advance(Duration::from_secs(4)).await;
        let early = unrecorded.is_stuck();
        unrecorded.end();
        tokio::time::advance(Duration::from_secs(2)).await;
        let late = (unrecorded.is_any(), unrecorded.is_stuck());
        unrecorded.end();

        assert_eq!((early, late), (false, (true, true)));
        assert_eq!((unrecorded.is_any(), unrecorded.is_stuck()), (false, false));
    }
}
