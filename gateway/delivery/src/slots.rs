//! Counts the delivery slots in use, in total and by retries.

use crate::config::DeliveryConfig;

/// Attempts in flight. Counted at start and end, because adding up a thousand lanes for each event would be slow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slots {
    pub(crate) in_flight: usize,
    pub(crate) retries: usize,
}

// === impl Slots ===

impl Slots {
    /// Takes `count` slots.
    pub(crate) fn begin(&mut self, count: usize, are_retries: bool) {
        self.in_flight += count;
        self.retries += if are_retries { count } else { 0 };
    }

    /// Releases one slot.
    pub(crate) fn end(&mut self, is_retry: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.retries = self.retries.saturating_sub(usize::from(is_retry));
    }

    /// Returns the number of free slots.
    pub(crate) fn free(&self, config: &DeliveryConfig) -> usize {
        config.total_in_flight.saturating_sub(self.in_flight)
    }

    /// Returns the free slots for retries. Half of all slots are reserved for first attempts, so that retries to many portals that
    /// are down cannot use them all. Retries get at least one, also with `total_in_flight = 1`.
    pub(crate) fn free_for_retries(&self, config: &DeliveryConfig) -> usize {
        (config.total_in_flight / 2).max(1).saturating_sub(self.retries)
    }
}
