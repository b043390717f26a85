//! The ends of login probes.

use kyc_portal::DeliveryError;
use tokio::time::Instant;

/// What a login probe has shown.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) lane: String,
    /// The entry that it was made with.
    pub(crate) entry: u64,
    pub(crate) begun: Instant,
    /// None for one that panicked, which says nothing about the portal.
    pub(crate) outcome: Option<Result<(), DeliveryError>>,
}
