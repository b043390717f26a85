//! The system's clock may jump; the monotonic one does not, and tells by how much.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::Millis;

/// Compares both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    wall: Millis,
    monotonic: Instant,
}

// === impl Clock ===

impl Clock {
    pub(super) fn start(wall: Millis) -> Self {
        Self { wall, monotonic: Instant::now() }
    }

    /// By how many milliseconds the system's clock has jumped since the last look; slow corrections are none.
    pub(super) fn jump(&mut self, wall: Millis) -> Option<Millis> {
        let now = Instant::now();
        let passed = i64::try_from((now - self.monotonic).as_millis()).unwrap_or(i64::MAX);
        let by = wall.saturating_sub(self.wall).saturating_sub(passed);
        *self = Self { wall, monotonic: now };
        (by.unsigned_abs() >= TOLERANCE.as_millis().try_into().unwrap_or(u64::MAX)).then_some(by)
    }
}

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

        assert_eq!([passed, forward, backward, slewed], [None, Some(3_600_000), Some(-3_600_000), None]);
    }
}
