//! What is logged, and who else is told.

use kyc_telemetry::traces::{Environment, read_environment};
use kyc_telemetry::{Encoding, log};

use super::raw::{Log, LogFormat, SeqFormat};
use crate::decoding::Problems;

/// The section `log`, and the `OTEL_*` variables.
pub(crate) struct LogSettings {
    pub(crate) level: String,
    pub(crate) format: log::Format,
    /// How Seq is spoken to.
    pub(crate) seq: Encoding,
    /// What is exported to OpenTelemetry's collector.
    pub(crate) opentelemetry: Environment,
}

pub(super) fn check(raw: Log, problems: &mut Problems) -> LogSettings {
    if let Err(error) = log::check_level(&raw.level) {
        problems.add("log.level", error.to_string());
    }
    let opentelemetry = read_environment(|name| std::env::var(name).ok()).unwrap_or_else(|errors| {
        for error in errors {
            problems.add(error.variable, error.reason);
        }
        Environment::default()
    });
    LogSettings {
        level: raw.level,
        format: match raw.format {
            LogFormat::Json => log::Format::Json,
            LogFormat::Text => log::Format::Text,
        },
        seq: match raw.seq {
            SeqFormat::Clef => Encoding::Clef,
            SeqFormat::Otlp => Encoding::Otlp,
        },
        opentelemetry,
    }
}
