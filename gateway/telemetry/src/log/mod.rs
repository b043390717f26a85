//! The log: JSON or text lines on standard output and in files, and log events for collectors (Seq, OpenTelemetry).
//!
//! The request path only copies a line into memory. Threads of the log write and send it, so that a slow disk, pipe or
//! collector delays no request; lines that find no room are dropped and counted.

mod access;
mod json;
mod levels;
mod lines;
mod rolling;
mod sinks;
mod writer;

use std::sync::atomic::Ordering;

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

pub use access::AccessRecord;
use json::JsonLines;
pub use levels::{LevelError, check_level};
use lines::{ACCESS_LINES, JSON_SINKS};
pub use rolling::FileSettings;
use sinks::{Collector, Sinks};

use crate::exporter::ExportSettings;
use crate::metrics::Metrics;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// Text that is easy to read at a terminal.
    Text,
    /// The same with colours on standard output; files get it without them.
    ColouredText,
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The level is unknown.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// The thread that writes the lines did not start.
    #[error("cannot start the log thread")]
    Thread(#[source] std::io::Error),
    /// The thread of a collector did not start.
    #[error("cannot export log events: {0}")]
    Export(#[source] std::io::Error),
    /// The first file cannot be opened.
    #[error("cannot write log files: {0}")]
    Files(#[source] std::io::Error),
    /// The process has a `tracing` subscriber already.
    #[error("the log is already set up")]
    Taken,
}

/// Changes the level, the files and the collectors of the running log. Cloning shares the log.
#[derive(Clone, Debug)]
pub struct Log {
    sinks: Sinks,
    filter: reload::Handle<EnvFilter, Registry>,
    /// The level of the configuration, which `set_level(None)` restores.
    configured: String,
    /// The names of the plugins' crates, which log at the same level as the gateway.
    plugins: Vec<String>,
}

/// Starts logging at `level`: `error`, `warn`, `info`, `debug` or `trace`.
///
/// The level applies to the gateway's own crates and to those in `plugins`, by their names in Rust (`acme_stamp`). All other
/// crates stay at `warn`, because debug lines of HTTP libraries show heads and bodies.
///
/// # Errors
///
/// [`LogError::Level`] for an unknown level, [`LogError::Thread`] when the writing thread does not start, and
/// [`LogError::Taken`] at the second call in a process.
pub fn init(level: &str, plugins: Vec<String>, format: Format, metrics: &Metrics) -> Result<Log, LogError> {
    let (filter, handle) = reload::Layer::new(levels::filter(level, &plugins)?);
    let sinks = Sinks::start(metrics).map_err(LogError::Thread)?;
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Json => registry.with(JsonLines(sinks.clone())).try_init().inspect(|()| {
            // This is the first `set`, because `try_init` succeeds only once in a process.
            let _ = JSON_SINKS.set(sinks.clone());
        }),
        Format::Text => {
            let lines = tracing_subscriber::fmt::layer().with_writer(sinks.text_sinks()).with_ansi(false);
            registry.with(lines).with(CollectorLayer(sinks.clone())).try_init()
        }
        Format::ColouredText => {
            let lines = tracing_subscriber::fmt::layer();
            let files = lines.with_writer(sinks.file_sinks()).with_ansi(false);
            let lines = tracing_subscriber::fmt::layer();
            let stdout = lines.with_writer(sinks.stdout_sinks()).with_ansi(true);
            registry.with(files).with(stdout).with(CollectorLayer(sinks.clone())).try_init()
        }
    }
    .map_err(|_| LogError::Taken)?;
    Ok(Log { sinks, filter: handle, configured: level.to_owned(), plugins })
}

/// Formats events as JSON for collectors while standard output and files get text.
struct CollectorLayer(Sinks);

impl<S: Subscriber> Layer<S> for CollectorLayer {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.0.has_collectors() {
            JsonLines(self.0.collector_sinks()).on_event(event, context);
        }
    }
}

// === impl Log ===

impl Log {
    /// Changes the level. `None` restores the configured level and access lines; `error` and `warn` also turn access lines off.
    ///
    /// # Errors
    ///
    /// [`LogError::Level`] for an unknown level; the previous one stays.
    pub fn set_level(&self, level: Option<&str>) -> Result<(), LogError> {
        let wanted = level.unwrap_or(&self.configured);
        let filter = levels::filter(wanted, &self.plugins)?;
        // `reload` fails only after the subscriber was dropped; it lives as long as the process.
        let _ = self.filter.reload(filter);
        // Access lines do not pass through the filter (see `lines`), so the level must switch them separately.
        let is_quiet = level.is_some_and(|level| matches!(level, "error" | "warn"));
        ACCESS_LINES.store(!is_quiet, Ordering::Relaxed);
        Ok(())
    }

    /// Starts, changes or stops (`None`) the log files. Returns whether the setting differs from the previous one.
    ///
    /// # Errors
    ///
    /// [`LogError::Files`] when the first file cannot be opened; the previous setting stays.
    pub fn set_files(&self, settings: Option<FileSettings>) -> Result<bool, LogError> {
        self.sinks.set_files(settings).map_err(LogError::Files)
    }

    /// Starts, changes or stops (`None`) the export to Seq. Returns whether the setting differs from the previous one.
    ///
    /// # Errors
    ///
    /// [`LogError::Export`] when the exporter's thread does not start; the previous setting stays.
    pub fn set_seq(&self, settings: Option<ExportSettings>) -> Result<bool, LogError> {
        self.sinks.set_collector(Collector::Seq, settings).map_err(LogError::Export)
    }

    /// Starts, changes or stops (`None`) the export to an OpenTelemetry collector. Returns whether the setting differs from the
    /// previous one.
    ///
    /// # Errors
    ///
    /// [`LogError::Export`] when the exporter's thread does not start; the previous setting stays.
    pub fn set_otlp(&self, settings: Option<ExportSettings>) -> Result<bool, LogError> {
        self.sinks.set_collector(Collector::Otlp, settings).map_err(LogError::Export)
    }

    /// Writes and exports everything that is buffered. Waits at most a second for each of standard output, the files and the
    /// collectors.
    pub fn flush(&self) {
        self.sinks.flush_all();
    }
}
