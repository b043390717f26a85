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
