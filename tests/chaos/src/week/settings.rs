//! How long a week is, and what happens in it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a week is made of.
#[derive(Clone, Debug)]
pub struct Week {
    /// The gateway.
    pub binary: PathBuf,
    /// Tenants in the beginning.
    pub tenants: usize,
    /// Notifications in a second.
    pub rate: u64,
    /// How long notifications come.
    pub lasts: Duration,
    /// The mean time between two faults of portals.
    pub every: Duration,
    /// How long a fault of a portal lasts.
    pub faults: Range<Duration>,
    /// The longest time from answer to delivery that nobody has to explain.
    pub gap: Duration,
    /// The seed of faults, their times and whom they concern.
    pub seed: u64,
    /// Where the picture goes.
    pub plot: PathBuf,
}

// === impl Week ===

impl Week {
    /// Twenty minutes.
    pub fn long(binary: PathBuf, seed: u64) -> Self {
        Self {
            binary,
            tenants: 200,
            rate: 20,
            lasts: Duration::from_secs(20 * 60),
            every: Duration::from_secs(2),
            faults: Duration::from_secs(5)..Duration::from_secs(60),
            gap: Duration::from_secs(2),
            seed,
            plot: Path::new("target").join("week.svg"),
        }
    }

    /// A quarter of a minute with each kind of fault.
    pub fn short(binary: PathBuf, seed: u64) -> Self {
        Self {
            tenants: 16,
            lasts: Duration::from_secs(16),
            every: Duration::from_millis(700),
            faults: Duration::from_secs(1)..Duration::from_secs(3),
            gap: Duration::from_secs(3),
            plot: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/week-short.svg"),
            ..Self::long(binary, seed)
        }
    }
}
