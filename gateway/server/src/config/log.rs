//! The section `log`, and the `OTEL_*` variables.

use std::ffi::OsStr;
use std::io::IsTerminal;
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

/// Chooses the format of lines for standard output. Colours are for a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
fn format(wanted: LogFormat, is_terminal: bool, no_color: Option<&OsStr>) -> log::Format {
    match (wanted, is_terminal) {
        (LogFormat::Json, _) | (LogFormat::Auto, false) => log::Format::Json,
        (LogFormat::Text, false) => log::Format::Text,
        (LogFormat::Text | LogFormat::Auto, true) if no_color.is_none_or(OsStr::is_empty) => {
            log::Format::ColouredText
        }
        (LogFormat::Text | LogFormat::Auto, true) => log::Format::Text,
    }
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
        format: format(raw.format, std::io::stdout().is_terminal(), std::env::var_os("NO_COLOR").as_deref()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_for_a_terminal_that_wants_them() {
        for (wanted, is_terminal, no_color, expected) in [
            (LogFormat::Auto, true, None, log::Format::ColouredText),
            (LogFormat::Auto, true, Some(""), log::Format::ColouredText),
            (LogFormat::Auto, true, Some("1"), log::Format::Text),
            (LogFormat::Auto, false, None, log::Format::Json),
            (LogFormat::Text, true, None, log::Format::ColouredText),
            (LogFormat::Text, false, None, log::Format::Text),
            (LogFormat::Json, true, None, log::Format::Json),
        ] {
            assert_eq!(format(wanted, is_terminal, no_color.map(OsStr::new)), expected, "{wanted:?}");
        }
    }
}
