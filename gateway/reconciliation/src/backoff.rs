//! When an entry is looked up again, and when no more.

use std::time::Duration;

use kyc_events::Millis;
use rand::RngExt;

/// Returns the time until the next look-up of an entry that was looked up `attempts` times: it doubles from a quarter of `overdue` up
/// to six hours, with a jitter.
pub(crate) fn pause(attempts: u32, overdue: Duration) -> Duration {
    bounded((overdue / 4).saturating_mul(1 << attempts.min(20)))
}

/// Returns the time until the next look-up of an entry for which Onfido has not answered, and that has been overdue for `late`
/// milliseconds. Such look-ups are not counted; but with pauses that double, the next one is as long as all before it and the first.
pub(crate) fn pause_of_unanswered(late: Millis, overdue: Duration) -> Duration {
    bounded(Duration::from_millis(u64::try_from(late).unwrap_or_default()).saturating_add(overdue / 4))
}

fn bounded(pause: Duration) -> Duration {
    pause.clamp(SHORTEST, LONGEST).mul_f64(1.0 + JITTER * rand::rng().random::<f64>())
}

/// Returns whether an entry of this age, which was looked up `attempts` times, is not looked up any more. Its age alone does not
/// tell: the system's clock may have jumped ahead.
pub(crate) fn is_abandoned(age: Millis, attempts: u32, give_up: Duration) -> bool {
    let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
    age >= give_up && attempts >= LEAST_LOOKUPS
}

/// Returns whether an entry of this age counts as deleted, because Onfido answered 404 to the last `missing` look-ups.
pub(crate) fn is_deleted(age: Millis, missing: u32) -> bool {
    let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
    age >= MISSING_IS_DELETED_AFTER && missing >= MISSING_IS_DELETED
}

/// The number of look-ups, each after a pause, that Onfido must answer 404 before a check counts as deleted. One can be a replica of
/// Onfido's that does not have the check yet.
const MISSING_IS_DELETED: u32 = 3;
/// How long after its start a check does not count as deleted. With a token of another account or environment in the tenant document,
/// or a wrong base URL, all look-ups are answered 404; an operator has this time to notice and correct it.
const MISSING_IS_DELETED_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The look-ups that an entry has before it is abandoned. With the default times they take eight hours.
const LEAST_LOOKUPS: u32 = 8;
/// A result that comes days later is still found within hours.
const LONGEST: Duration = Duration::from_secs(6 * 3600);
const SHORTEST: Duration = Duration::from_secs(1);
/// The largest part by which a pause is longer, so that checks that were started together are not looked up together.
const JITTER: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_entry_is_abandoned_after_some_look_ups() {
        let give_up = Duration::from_secs(30);
        for (age, lookups, expected) in
            [(29_999, 100, false), (30_000, 8, true), (30_000, 7, false), (-60_000, 8, false)]
        {
            let is_abandoned = is_abandoned(age, lookups, give_up);

            assert_eq!(is_abandoned, expected, "{age} ms, {lookups} look-ups");
        }
    }

    #[test]
    fn entry_counts_as_deleted_after_a_day_and_three_answers_404() {
        let day = 24 * 3_600_000;
        for (age, missing, expected) in
            [(day, 3, true), (day, 2, false), (day - 1, 3, false), (day - 1, 100, false), (-day, 3, false)]
        {
            let is_deleted = is_deleted(age, missing);

            assert_eq!(is_deleted, expected, "{age} ms, {missing} times 404");
        }
    }

    #[test]
    fn pause_doubles_up_to_six_hours() {
        let overdue = Duration::from_secs(900);
        for (attempts, least) in [(0, 225), (1, 450), (3, 1800), (10, 21_600), (u32::MAX, 21_600)] {
            let pause = pause(attempts, overdue);

            let least = Duration::from_secs(least);
            assert!((least..=least.mul_f64(1.0 + JITTER)).contains(&pause), "{attempts}: {pause:?}");
        }
    }

    /// Regression: an entry for which Onfido never answered was looked up every few minutes for ever.
    #[test]
    fn pause_of_an_unanswered_entry_grows_with_its_age() {
        let overdue = Duration::from_secs(900);
        for (late, least) in
            [(-1, 225), (0, 225), (225_000, 450), (1_575_000, 1800), (i64::MAX, 21_600), (i64::MIN, 225)]
        {
            let pause = pause_of_unanswered(late, overdue);

            let least = Duration::from_secs(least);
            assert!((least..=least.mul_f64(1.0 + JITTER)).contains(&pause), "{late} ms: {pause:?}");
        }
    }
}
