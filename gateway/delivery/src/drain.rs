//! Divides the time of a shutdown: attempts in flight may finish first, then the claims of the rest are released.

use std::time::Duration;

/// Time that attempts in flight get during a drain.
pub(crate) fn attempt_drain_time(drain: Duration) -> Duration {
    drain.mul_f64(DRAIN_SHARE).max(drain.saturating_sub(RELEASE_TIME))
}

/// Share of a short drain for attempts in flight; the rest is for releasing claims.
const DRAIN_SHARE: f64 = 0.8;
/// Time for releasing claims in a longer drain.
pub(crate) const RELEASE_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeliveryConfig;

    /// Regression: a restart delivered events twice if the portal took longer than 8 s, although an attempt may take 30 s.
    #[test]
    fn attempt_fits_into_the_default_drain() {
        let seconds = [10, 40].map(|drain| attempt_drain_time(Duration::from_secs(drain)).as_secs());

        assert_eq!(seconds, [8, 35]);
        assert!(Duration::from_secs(35) >= DeliveryConfig::default().attempt);
    }
}
