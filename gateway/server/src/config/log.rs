//! The section `log`, and the `OTEL_*` variables.

use std::path::PathBuf;

use kyc_http_client::Cleartext;
use kyc_telemetry::traces::{Environment, read_environment};
use kyc_telemetry::{Encoding, log};

use super::raw::{Log, LogFormat, SeqFormat};
use crate::decoding::Problems;

/// The settings of the log and of the OpenTelemetry export.
pub(crate) struct LogSettings {
    pub(crate) level: String,
    /// The crates of plugins, to which the level applies.
    pub(crate) plugins: Vec<String>,
    pub(crate) format: log::Format,
    /// The limits for the logging keys of the tenant document.
    pub(crate) sinks: SinkSettings,
    /// The export to an OpenTelemetry collector.
    pub(crate) opentelemetry: Environment,
}

/// Limits where the tenant document may send the log to, since people without access to this configuration edit the document.
#[derive(Clone, Debug)]
pub(crate) struct SinkSettings {
    /// The format for Seq.
    pub(crate) seq: Encoding,
    /// Whether Seq may be on another machine without TLS.
    pub(crate) cleartext: Cleartext,
    /// The folder that must contain all log files, as an absolute path.
    pub(crate) folder: PathBuf,
}

pub(super) fn check(raw: Log, plugins: Vec<String>, problems: &mut Problems) -> LogSettings {
    if let Err(error) = log::check_level(&raw.level) {
        problems.add("log.level", error.to_string());
    }
    let cleartext = Cleartext::from_setting(raw.allow_http);
    let opentelemetry =
        read_environment(cleartext, |name| std::env::var(name).ok()).unwrap_or_else(|errors| {
            for error in errors {
                problems.add(error.variable, error.reason);
            }
            Environment::default()
        });
    // Relative to the working directory, like the names of log files in the tenant document.
    let folder = std::path::absolute(&raw.folder).unwrap_or_else(|error| {
        problems.add("log.folder", error.to_string());
        PathBuf::new()
    });
    LogSettings {
        level: raw.level,
        plugins,
        format: match raw.format {
            LogFormat::Json => log::Format::Json,
            LogFormat::Text => log::Format::Text,
        },
        sinks: SinkSettings {
            seq: match raw.seq {
                SeqFormat::Clef => Encoding::Clef,
                SeqFormat::Otlp => Encoding::Otlp,
            },
            cleartext,
            folder,
        },
        opentelemetry,
    }
}
