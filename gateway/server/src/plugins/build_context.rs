//! What the gateway and its plugins measure with.

use kyc_plugin_api::Warnings;
use kyc_telemetry::Metrics;

/// The metrics of the gateway and of its plugins, on one registry.
#[derive(Debug)]
pub(crate) struct Instruments {
    pub(crate) metrics: Metrics,
    pub(crate) warnings: Warnings,
}

// === impl Instruments ===

impl Instruments {
    pub(crate) fn new() -> Result<Self, String> {
        let metrics = Metrics::new().map_err(|error| error.to_string())?;
        Ok(Self { metrics, warnings: Warnings::default() })
    }
}
