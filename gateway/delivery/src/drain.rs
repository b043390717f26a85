//! How a shutdown divides its time: deliveries that are under way end by themselves, and what is left is given back.

use std::time::Duration;

/// How long deliveries may go on in a drain.
pub(crate) fn time_for_tries(drain: Duration) -> Duration {
    drain.mul_f64(DRAIN_SHARE).max(drain.saturating_sub(RELEASE_TIME))
}

/// The part of a short drain time that deliveries may take; the rest is for giving them back.
const DRAIN_SHARE: f64 = 0.8;
/// What is left of a longer one for that.
pub(crate) const RELEASE_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeliveryConfig;

    /// A restart with a portal that takes longer than 8 s delivered twice: a try may take 30 s.
    #[test]
    fn a_try_fits_into_the_default_drain() {
        let seconds = [10, 40].map(|drain| time_for_tries(Duration::from_secs(drain)).as_secs());

        assert_eq!(seconds, [8, 35]);
        assert!(Duration::from_secs(35) >= DeliveryConfig::default().attempt);
    }
}
