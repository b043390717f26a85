//! What this process is, for spans and log events.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;

/// The resource of this process: `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`, and its version.
pub(crate) fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let found = Resource::builder().with_attribute(version.clone()).build();
    let name = found.get(&Key::new("service.name")).map(|name| name.to_string());
    if name.is_some_and(|name| !name.starts_with("unknown_service")) {
        return found;
    }
    Resource::builder().with_attribute(version).with_service_name(SCOPE).build()
}

/// The instrumentation scope, and the name of the service where the environment gives none.
pub(super) const SCOPE: &str = "kyc-gateway";
