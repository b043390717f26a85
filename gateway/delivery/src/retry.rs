//! The retry policy: when the next attempt of an event is due, and when the event becomes dead.

use std::time::Duration;

use kyc_events::{DeadReason, Millis, Next};
use kyc_portal::{DeliveryClass, DeliveryError};

use crate::config::DeliveryConfig;

/// The history of an event when an attempt has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    /// Finished attempts before this one.
    pub(crate) attempts: u32,
    /// Those attempts in which the portal rejected this event; used only after another rejection.
    pub(crate) refusals: u32,
    /// Time since receipt or replay, by a clock that does not jump.
    pub(crate) age: Millis,
    pub(crate) now: Millis,
}

/// Decides the next state of an event after a failure. `jitter` is 0 to 1 and makes the wait longer.
pub(crate) fn after(error: &DeliveryError, age: Age, config: &DeliveryConfig, jitter: f64) -> Next {
    let class = error.class();
    // Attempts that failed while the portal was down say nothing about the event, so only rejections count.
    if class == DeliveryClass::Event && age.refusals + 1 >= MAX_REJECTIONS {
        return Next::Dead(DeadReason::Rejected);
    }
    if age.age >= millis(config.give_up) {
        return Next::Dead(DeadReason::Exhausted);
    }
    if class == DeliveryClass::Login {
        // Nothing was sent, and the breaker decides when the account logs in again.
        return Next::Waiting { due: age.now, counted: false };
    }
    let steps = &config.schedule;
    let step = match class {
        DeliveryClass::Event => step(steps, age.refusals * EVENT_STRIDE),
        // Address or role is wrong, and an operator needs time to correct it.
        DeliveryClass::Endpoint => step(steps, age.attempts.max(ENDPOINT_STEP)),
        DeliveryClass::Transient | DeliveryClass::Session | DeliveryClass::Login | DeliveryClass::Refused => {
            step(steps, age.attempts)
        }
    };
    let retry_after = error.retry_after().unwrap_or_default();
    let wait = step.max(retry_after).max(MIN_WAIT).mul_f64(1.0 + JITTER * jitter.clamp(0.0, 1.0));
    Next::Waiting { due: age.now + millis(wait), counted: true }
}

/// Shifts the due time of a decision by a clock jump.
pub(crate) fn moved(next: Next, jumped: Millis) -> Next {
    match next {
        Next::Waiting { due, counted } => Next::Waiting { due: due.saturating_add(jumped), counted },
        Next::Delivered | Next::Dead(_) | Next::Parked(_) => next,
    }
}

/// Returns the longest possible wait.
pub(crate) fn longest(config: &DeliveryConfig) -> Duration {
    let step = config.schedule.iter().max().copied().unwrap_or_default();
    step.max(MAX_RETRY_AFTER).mul_f64(1.0 + JITTER)
}

pub(crate) fn millis(duration: Duration) -> Millis {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the wait after this number of attempts; the last step repeats.
fn step(steps: &[Duration], attempts: u32) -> Duration {
    let place = usize::try_from(attempts).unwrap_or(usize::MAX);
    steps.get(place).or(steps.last()).copied().unwrap_or(MIN_WAIT)
}

/// Rejections of one event by the portal after which it is dead: about an hour of the default schedule.
const MAX_REJECTIONS: u32 = 5;
/// Steps of the schedule for each rejection: an event that the portal rejects as invalid rarely succeeds later.
const EVENT_STRIDE: u32 = 3;
/// First step of the schedule for a wrong address or role: one minute by default.
const ENDPOINT_STEP: u32 = 4;
/// Waits are up to a fifth longer than planned.
const JITTER: f64 = 0.2;
/// The longest `Retry-After` that is honoured.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Minimum time between two attempts of an event, regardless of the configuration.
const MIN_WAIT: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Millis = 24 * 3600 * 1000;

    fn after_status(status: u16, attempts: u32, age: Millis) -> Next {
        let age = Age { attempts, refusals: attempts, age, now: age };
        after(&DeliveryError::Status(status), age, &DeliveryConfig::default(), 0.0)
    }

    fn waits(status: u16, attempts: u32) -> Millis {
        match after_status(status, attempts, 1000) {
            Next::Waiting { due, counted: true } => (due - 1000) / 1000,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_grow_from_two_seconds_to_four_hours() {
        let waits: Vec<Millis> = (0..14).map(|attempts| waits(503, attempts)).collect();

        assert_eq!(waits, [2, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 14400, 14400]);
    }

    #[test]
    fn due_time_moves_with_a_clock_jump() {
        let waiting = |due| Next::Waiting { due, counted: true };
        let dead = Next::Dead(DeadReason::Rejected);

        assert_eq!(moved(waiting(10_000), -3_600_000), waiting(-3_590_000));
        assert_eq!([moved(Next::Delivered, 5), moved(dead, 5)], [Next::Delivered, dead]);
    }

    #[test]
    fn jitter_only_delays_and_by_a_fifth_at_most() {
        let age = Age { attempts: 4, refusals: 0, age: 0, now: 0 };

        let next = after(&DeliveryError::Status(503), age, &DeliveryConfig::default(), 1.0);

        assert_eq!(next, Next::Waiting { due: 72_000, counted: true });
    }

    #[test]
    fn retry_after_is_respected_up_to_an_hour() {
        let age = Age { attempts: 0, refusals: 0, age: 0, now: 0 };
        let wait_for = |seconds| {
            let error = DeliveryError::Busy { status: 429, retry_after: Duration::from_secs(seconds) };
            after(&error, age, &DeliveryConfig::default(), 0.0)
        };

        assert_eq!(wait_for(1), Next::Waiting { due: 2_000, counted: true });
        assert_eq!(wait_for(90), Next::Waiting { due: 90_000, counted: true });
        assert_eq!(wait_for(90_000), Next::Waiting { due: 3_600_000, counted: true });
    }

    #[test]
    fn events_become_dead_by_age_or_rejections() {
        assert_eq!(after_status(503, 40, 7 * DAY), Next::Dead(DeadReason::Exhausted));
        assert_eq!(after_status(422, 4, 1000), Next::Dead(DeadReason::Rejected));
        assert_eq!([0, 1, 2, 3].map(|attempts| waits(422, attempts)), [2, 30, 300, 3600]);
        assert_eq!([0, 4, 5].map(|attempts| waits(404, attempts)), [60, 60, 120]);
    }

    /// Regression: an event with many attempts while its portal was down became dead at its first rejection afterwards.
    #[test]
    fn attempts_that_failed_for_other_reasons_do_not_count_as_rejections() {
        let refused = |refusals| {
            let age = Age { attempts: 40, refusals, age: 0, now: 0 };
            after(&DeliveryError::Status(409), age, &DeliveryConfig::default(), 0.0)
        };

        assert_eq!(refused(0), Next::Waiting { due: 2_000, counted: true });
        assert_eq!(refused(4), Next::Dead(DeadReason::Rejected));
    }

    #[test]
    fn refused_login_counts_as_no_attempt() {
        let age = Age { attempts: 3, refusals: 0, age: 0, now: 500 };

        let next = after(&DeliveryError::LoginStatus(401), age, &DeliveryConfig::default(), 0.0);

        assert_eq!(next, Next::Waiting { due: 500, counted: false });
    }
}
