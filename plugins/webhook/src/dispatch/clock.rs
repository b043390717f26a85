//! The system's clock may jump; the monotonic one does not, and tells by how much.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::Millis;

/// Compares both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    wall: Millis,
    monotonic: Instant,
    /// When it has jumped far for the last time.
    jumped: Option<Instant>,
}

// === impl Clock ===

impl Clock {
    pub(super) fn start(wall: Millis) -> Self {
        Self { wall, monotonic: Instant::now(), jumped: None }
    }

    /// By how many milliseconds the system's clock has jumped since the last look; slow corrections are none.
    pub(super) fn jump(&mut self, wall: Millis) -> Option<Millis> {
        let now = Instant::now();
        let passed = i64::try_from((now - self.monotonic).as_millis()).unwrap_or(i64::MAX);
        let by = wall.saturating_sub(self.wall).saturating_sub(passed);
        (self.wall, self.monotonic) = (wall, now);
        if by.unsigned_abs() >= FAR.as_millis().try_into().unwrap_or(u64::MAX) {
            self.jumped = Some(now);
        }
        (by.unsigned_abs() >= TOLERANCE.as_millis().try_into().unwrap_or(u64::MAX)).then_some(by)
    }

    /// Says whether the clock has gone on for long enough since it has jumped far.
    pub(super) fn is_settled(&self) -> bool {
        self.jumped.is_none_or(|jumped| jumped.elapsed() >= SETTLES)
    }
}

/// A jump after which nothing is forgotten by its age for a day, since people may have to put the clock right.
const FAR: Duration = Duration::from_secs(3600);
const SETTLES: Duration = Duration::from_secs(24 * 3600);
const TOLERANCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn jumps_are_told_from_time_that_passes() {
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
}
