//! The context that plugins and the gateway are built with.

use std::sync::Arc;

use kyc_plugin_api::{Services, TenantSnapshots, Warnings};
use kyc_telemetry::Metrics;
use kyc_tenants::Tenants;

use crate::build::BUILD;

/// The metrics, tenants, services and warnings that the plugins and the gateway share.
#[derive(Debug)]
pub(crate) struct BuildContext {
    pub(crate) metrics: Metrics,
    pub(crate) tenants: Tenants,
    pub(crate) services: Services,
    pub(crate) warnings: Warnings,
}

// === impl BuildContext ===

impl BuildContext {
    pub(crate) fn new() -> Result<Self, String> {
        let metrics = Metrics::new().map_err(|error| error.to_string())?;
        metrics.built_from(&BUILD);
        let (tenants, services) = (Tenants::default(), Services::default());
        let current = tenants.clone();
        services.offer(Arc::new(TenantSnapshots::new(move || current.load())));
        Ok(Self { metrics, tenants, services, warnings: Warnings::default() })
    }
}
