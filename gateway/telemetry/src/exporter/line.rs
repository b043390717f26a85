//! A log line that is parsed again for a collector, and the resource attributes that a batch is sent with.
//!
//! The queue holds lines as text: formatting a line once on the request path and parsing it on the exporter's thread keeps the
//! request path cheap.

use opentelemetry::Key;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::otel::resource::resource;

/// The resource attributes of this process, which all events share.
#[derive(Clone, Debug)]
pub(super) struct ResourceAttributes {
    /// Names of OpenTelemetry's semantic conventions with their values.
    pub(super) attributes: Vec<(String, String)>,
}

/// The fields of a JSON line of the log.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) timestamp: String,
    pub(super) level: String,
    pub(super) target: String,
    #[serde(default)]
    pub(super) message: String,
    pub(super) trace_id: Option<String>,
    pub(super) span_id: Option<String>,
    #[serde(flatten)]
    pub(super) fields: Map<String, Value>,
}

// === impl ResourceAttributes ===

impl ResourceAttributes {
    /// The attributes that spans have, too: from the `OTEL_*` variables.
    pub(super) fn from_environment() -> Self {
        let text = |(name, value): (&Key, &opentelemetry::Value)| (name.to_string(), value.to_string());
        Self { attributes: resource().iter().map(text).collect() }
    }

    /// The attribute `service.name`.
    pub(super) fn service(&self) -> &str {
        self.attributes
            .iter()
            .find(|(name, _)| name == "service.name")
            .map_or("", |(_, value)| value.as_str())
    }
}
