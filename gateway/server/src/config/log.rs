//! What is logged, and who else is told.

use std::path::PathBuf;

use kyc_http_client::Cleartext;
use kyc_telemetry::traces::{Environment, read_environment};
use kyc_telemetry::{Encoding, log};

use super::raw::{Log, LogFormat, SeqFormat};
use crate::decoding::Problems;

/// The section `log`, and the `OTEL_*` variables.
pub(crate) struct LogSettings {
    pub(crate) level: String,
    /// The crates of plugins, to which the level applies.
    pub(crate) plugins: Vec<String>,
    pub(crate) format: log::Format,
    /// What the tenant document's keys may ask for.
    pub(crate) sinks: SinkSettings,
    /// What is exported to OpenTelemetry's collector.
    pub(crate) opentelemetry: Environment,
}

/// How far the tenant document, which many people edit, may say where the log goes.
#[derive(Clone, Debug)]
pub(crate) struct SinkSettings {
    /// How Seq is spoken to.
    pub(crate) seq: Encoding,
    /// Whether Seq may be another machine without TLS.
    pub(crate) cleartext: Cleartext,
    /// The folder that log files stay in, as an absolute path.
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
    // From the working directory, as the names of log files count.
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
