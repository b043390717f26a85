//! How events are written for a collector.

use opentelemetry::{self as otel, Key};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{clef, otlp};
use crate::traces::resource;

/// The language of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Seq's own: one JSON object per line (<https://docs.datalust.co/docs/posting-raw-events>).
    Clef,
    /// OpenTelemetry's `ExportLogsServiceRequest` in protobuf.
    Otlp,
}

/// What stands around all events of a batch: what this process is.
#[derive(Clone, Debug)]
pub(super) struct Wrapping {
    /// By the names of OpenTelemetry's semantic conventions.
    pub(super) attributes: Vec<(String, String)>,
}

/// A line as [`crate::log`] writes it.
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

// === impl Encoding ===

impl Encoding {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Clef => "application/vnd.serilog.clef; charset=utf-8",
            Self::Otlp => "application/x-protobuf",
        }
    }

    /// The body for these lines.
    pub(super) fn encode(self, lines: &[Box<[u8]>], wrapping: &Wrapping) -> Vec<u8> {
        let lines = lines.iter().filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        match self {
            Self::Clef => clef::encode(lines, wrapping),
            Self::Otlp => otlp::encode(lines, wrapping),
        }
    }
}

// === impl Wrapping ===

impl Wrapping {
    /// What the spans have, too.
    pub(super) fn from_environment() -> Self {
        let text = |(name, value): (&Key, &otel::Value)| (name.to_string(), value.to_string());
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
