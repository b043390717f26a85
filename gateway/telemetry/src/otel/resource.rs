//! The OpenTelemetry resource: the attributes of this process in spans and log events.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;

/// The resource of this process, from `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`, with its version.
pub(crate) fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let detected = Resource::builder().with_attribute(version.clone()).build();
    let name = detected.get(&Key::new("service.name")).map(|name| name.to_string());
    // The library's name for an unnamed service begins with `unknown_service`; the gateway's name is more useful.
    if name.is_some_and(|name| !name.starts_with("unknown_service")) {
        return detected;
    }
    Resource::builder().with_attribute(version).with_service_name(SCOPE).build()
}

/// The instrumentation scope, and the default name of the service.
pub(super) const SCOPE: &str = "kyc-gateway";
