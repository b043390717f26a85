//! Detects jumps of the wall clock by comparing it with the monotonic clock.

use std::time::Duration;

use kyc_events::{Heartbeat, Millis};
use tokio::time::Instant;

use crate::retry::millis;

/// The last reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Millis,
    monotonic: Instant,
    /// No event is deleted because of its age before this time.
    settles: Option<Instant>,
}

// === impl Clock ===

impl Clock {
    pub(crate) fn start(wall: Millis) -> Self {
        Self { wall, monotonic: Instant::now(), settles: None }
    }

    /// Continues from the last heartbeat of the previous process, and returns by how much to shift events. A clock jump and
    /// downtime cannot be distinguished, but in both cases no attempt was made in that time.
    pub(crate) fn resume(wall: Millis, alive: Heartbeat) -> (Self, Option<Millis>) {
        let by = wall.saturating_sub(alive.at);
        // A gateway that is stopped every night would never delete anything if each start waited a whole day.
        let unsettled = match alive.unsettled {
            0 if by.saturating_abs() >= millis(LARGE_JUMP) => millis(SETTLING_TIME),
            left => left.clamp(0, millis(SETTLING_TIME)),
        };
        let unsettled = Duration::from_millis(u64::try_from(unsettled).unwrap_or_default());
        let settles = (!unsettled.is_zero()).then(|| Instant::now() + unsettled);
        let is_jump = by <= -millis(TOLERANCE) || by >= millis(MIN_DOWNTIME);
        (Self { settles, ..Self::start(wall) }, is_jump.then_some(by))
    }

    /// Returns the heartbeat that the next start continues from.
    pub(crate) fn alive(&self) -> Heartbeat {
        let left = self.settles.map(|settles| settles.saturating_duration_since(Instant::now()));
        Heartbeat { at: self.wall, unsettled: millis(left.unwrap_or_default()) }
    }

    /// Milliseconds by which the wall clock has jumped since the last call; gradual corrections do not count.
    pub(crate) fn jump(&mut self, wall: Millis) -> Option<Millis> {
        let now = Instant::now();
        let passed = i64::try_from((now - self.monotonic).as_millis()).unwrap_or(i64::MAX);
        let by = wall.saturating_sub(self.wall).saturating_sub(passed);
        (self.wall, self.monotonic) = (wall, now);
        if by.unsigned_abs() >= LARGE_JUMP.as_millis().try_into().unwrap_or(u64::MAX) {
            self.settles = Some(now + SETTLING_TIME);
        }
        (by.unsigned_abs() >= TOLERANCE.as_millis().try_into().unwrap_or(u64::MAX)).then_some(by)
    }

    /// Returns whether the clock has been stable for long enough after a large jump.
    pub(crate) fn is_settled(&self) -> bool {
        self.settles.is_none_or(|settles| Instant::now() >= settles)
    }
}

/// After a jump of this size nothing is deleted because of its age for a day: the clock may be wrong, and an operator
/// needs time to correct it.
const LARGE_JUMP: Duration = Duration::from_secs(3600);
const SETTLING_TIME: Duration = Duration::from_secs(24 * 3600);
const TOLERANCE: Duration = Duration::from_secs(2);
/// Downtime shorter than this does not shift ages.
const MIN_DOWNTIME: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clock_jumps_are_distinguished_from_elapsed_time() {
        let mut clock = Clock::start(1_000_000);

        tokio::time::advance(Duration::from_secs(60)).await;
        let passed = clock.jump(1_060_000);
        let forward = clock.jump(1_060_000 + 3_600_000);
        tokio::time::advance(Duration::from_secs(1)).await;
        let backward = clock.jump(1_061_000);
        let slewed = clock.jump(1_062_500);

        let jumped = clock.is_settled();
        tokio::time::advance(Duration::from_secs(24 * 3600)).await;

        assert_eq!((jumped, clock.is_settled()), (false, true));
        assert_eq!([passed, forward, backward, slewed], [None, Some(3_600_000), Some(-3_600_000), None]);
    }

    const HOUR: Millis = 3_600_000;

    #[tokio::test(start_paused = true)]
    async fn clock_jump_during_downtime_is_detected_at_start() {
        let at = 1_000 * HOUR;
        let resume = |wall, unsettled| Clock::resume(wall, Heartbeat { at, unsettled });
        let by = [at + 5_000, at + HOUR, at - HOUR, at + 168 * HOUR, at - 168 * HOUR]
            .map(|wall| resume(wall, 0).1);

        assert_eq!(by, [None, Some(HOUR), Some(-HOUR), Some(168 * HOUR), Some(-168 * HOUR)]);
        assert!(resume(at + 5_000, 0).0.is_settled() && !resume(at - HOUR, 0).0.is_settled());
    }

    #[tokio::test(start_paused = true)]
    async fn clock_settles_although_the_gateway_is_stopped_each_night() {
        let (mut clock, _) = Clock::resume(100 * HOUR, Heartbeat { at: 84 * HOUR, unsettled: 0 });
        let mut days = 0;
        while !clock.is_settled() {
            tokio::time::advance(Duration::from_secs(8 * 3600)).await;
            days += 1;
            let alive = clock.alive();
            if alive.unsettled > 0 {
                (clock, _) = Clock::resume(alive.at + 16 * HOUR, alive);
            }
        }

        assert_eq!(days, 3);
    }
}
