//! A log line, as it is read again for a collector, and what is sent around a batch of them.

use opentelemetry::Key;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::otel::resource::resource;

/// What stands around all events of a batch: what this process is.
#[derive(Clone, Debug)]
pub(super) struct Wrapping {
    /// By the names of OpenTelemetry's semantic conventions.
    pub(super) attributes: Vec<(String, String)>,
}

/// A line as the log writes it.
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

// === impl Wrapping ===

impl Wrapping {
    /// What the spans have, too.
    pub(super) fn from_environment() -> Self {
        let text = |(name, value): (&Key, &opentelemetry::Value)| (name.to_string(), value.to_string());
        Self { attributes: resource().iter().map(text).collect() }
    }

    /// `service.name`.
    pub(super) fn service(&self) -> &str {
        self.attributes
            .iter()
            .find(|(name, _)| name == "service.name")
            .map_or("", |(_, value)| value.as_str())
    }
}
