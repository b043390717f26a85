//! The results of login probes.

use kyc_portal::DeliveryError;
use tokio::time::Instant;

/// The result of a login probe.
#[derive(Debug)]
pub(crate) struct ProbeResult {
    pub(crate) lane: String,
    /// The fingerprint of the tenant's entry at the start of the probe.
    pub(crate) entry: u64,
    pub(crate) begun: Instant,
    /// `None` after a panic, which says nothing about the portal.
    pub(crate) outcome: Option<Result<(), DeliveryError>>,
}
