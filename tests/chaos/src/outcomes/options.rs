//! What the test of outcomes does.

use std::path::PathBuf;
use std::time::Duration;

/// What the test does.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// `failing-gateway`.
    pub binary: PathBuf,
    /// How many checks are answered.
    pub checks: u64,
    /// Their tenants, in turn.
    pub tenants: usize,
    /// How many gateways; more than one share a PostgreSQL database.
    pub gateways: usize,
    /// How often a gateway is killed or stopped.
    pub kills: usize,
    /// The time until a check is overdue.
    pub overdue: Duration,
    /// The seed of moments, faults and missing notifications.
    pub seed: u64,
}

// === impl Outcomes ===

impl Outcomes {
    /// The look-up calls that one gateway may make for one tenant in a minute: its part of the default.
    pub(super) fn calls_per_minute(&self) -> u32 {
        CALLS_PER_MINUTE / u32::try_from(self.gateways).unwrap_or(1)
    }
}

/// The default of `reconciliation.calls_per_minute`.
const CALLS_PER_MINUTE: u32 = 40;
