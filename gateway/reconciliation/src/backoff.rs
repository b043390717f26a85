//! When an entry is looked up again.

use std::time::Duration;

use rand::RngExt;

/// Returns the time until the next look-up of an entry that was looked up `attempts` times: it doubles from a quarter of `overdue` up
/// to six hours, with a jitter, and is never shorter than what Onfido asked for.
pub(crate) fn pause(attempts: u32, overdue: Duration, asked: Option<Duration>) -> Duration {
    let doubled = (overdue / 4).saturating_mul(1 << attempts.min(20)).clamp(SHORTEST, LONGEST);
    let jitter = 1.0 + JITTER * rand::rng().random::<f64>();
    doubled.mul_f64(jitter).max(asked.unwrap_or_default())
}

/// A result that comes days later is still found within hours.
const LONGEST: Duration = Duration::from_secs(6 * 3600);
const SHORTEST: Duration = Duration::from_secs(1);
/// The largest part by which a pause is longer, so that checks that were started together are not looked up together.
const JITTER: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_up_to_six_hours_and_respects_retry_after() {
        let overdue = Duration::from_secs(900);
        for (attempts, least) in [(0, 225), (1, 450), (3, 1800), (10, 21_600), (u32::MAX, 21_600)] {
            let pause = pause(attempts, overdue, None);

            let least = Duration::from_secs(least);
            assert!((least..=least.mul_f64(1.0 + JITTER)).contains(&pause), "{attempts}: {pause:?}");
        }
        assert_eq!(pause(0, overdue, Some(Duration::from_secs(3600))), Duration::from_secs(3600));
    }
}
