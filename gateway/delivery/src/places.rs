//! How many deliveries are under way in all, and how many more may be.

use crate::config::DeliveryConfig;

/// What is under way, counted as it begins and ends: with a thousand lanes, nobody adds them up for each event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    pub(crate) in_flight: usize,
    pub(crate) retries: usize,
}

// === impl Places ===

impl Places {
    /// Notes that so many begin, all of which may be retries.
    pub(crate) fn begin(&mut self, count: usize, are_retries: bool) {
        self.in_flight += count;
        self.retries += if are_retries { count } else { 0 };
    }

    /// Notes that one has ended.
    pub(crate) fn end(&mut self, is_retry: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.retries = self.retries.saturating_sub(usize::from(is_retry));
    }

    /// How many more may begin.
    pub(crate) fn free(&self, config: &DeliveryConfig) -> usize {
        config.total_in_flight.saturating_sub(self.in_flight)
    }

    /// How many more retries may begin. Half of the places are for events that were never tried: retries of many dead
    /// portals must not take everything.
    pub(crate) fn free_for_retries(&self, config: &DeliveryConfig) -> usize {
        (config.total_in_flight / 2).max(1).saturating_sub(self.retries)
    }
}
