//! The log: JSON lines (or text for people) on standard output, in files, and events for collectors.

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
use lines::{ACCESS_LINES, LINES};
pub use rolling::FileSettings;
use sinks::{Collector, Sinks};

use crate::exporter::ExportSettings;
use crate::metrics::Metrics;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For a person at a terminal.
    Text,
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The text is no level.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// The writing thread did not start.
    #[error("cannot start the log thread")]
    Thread(#[source] std::io::Error),
    /// A collector's thread did not start.
    #[error("log events cannot be exported: {0}")]
    Export(#[source] std::io::Error),
    /// The first file cannot be opened.
    #[error("log files cannot be written: {0}")]
    Files(#[source] std::io::Error),
    /// Another subscriber is in place.
    #[error("the log is already set up")]
    Taken,
}

/// The running log: its level and files can be changed. Clones change the same one.
#[derive(Clone, Debug)]
pub struct Log {
    sinks: Sinks,
    filter: reload::Handle<EnvFilter, Registry>,
    /// The level of the configuration.
    configured: String,
    /// The crates of plugins.
    plugins: Vec<String>,
}

/// Starts logging at `level`: `error`, `warn`, `info`, `debug` or `trace`.
///
/// The level holds for the gateway's own crates and for those in `plugins`, by their names in Rust (`acme_stamp`). All other
/// crates stay at `warn`, since debug lines of HTTP libraries show heads and bodies.
///
/// # Errors
///
/// [`LogError`].
pub fn init(level: &str, plugins: Vec<String>, format: Format, metrics: &Metrics) -> Result<Log, LogError> {
    let (filter, handle) = reload::Layer::new(levels::filter(level, &plugins)?);
    let sinks = Sinks::start(metrics).map_err(LogError::Thread)?;
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Json => registry.with(JsonLines(sinks.clone())).try_init().inspect(|()| {
            // Once a subscriber is in place there is no second one, so this is never taken.
            let _ = LINES.set(sinks.clone());
        }),
        Format::Text => {
            let lines = tracing_subscriber::fmt::layer().with_writer(sinks.printed()).with_ansi(false);
            registry.with(lines).with(Collecting(sinks.clone())).try_init()
        }
    }
    .map_err(|_| LogError::Taken)?;
    Ok(Log { sinks, filter: handle, configured: level.to_owned(), plugins })
}

/// Events for collectors, beside lines that are text.
struct Collecting(Sinks);

impl<S: Subscriber> Layer<S> for Collecting {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.0.has_collectors() {
            JsonLines(self.0.collected()).on_event(event, context);
        }
    }
}

// === impl Log ===

impl Log {
    /// Changes the level. `None` is the configured level, with access lines; `error` and `warn` also turn access lines off.
    ///
    /// # Errors
    ///
    /// [`LogError::Level`].
    pub fn set_level(&self, level: Option<&str>) -> Result<(), LogError> {
        let wanted = level.unwrap_or(&self.configured);
        let filter = levels::filter(wanted, &self.plugins)?;
        // The subscriber lives as long as the process.
        let _ = self.filter.reload(filter);
        let is_quiet = level.is_some_and(|level| matches!(level, "error" | "warn"));
        ACCESS_LINES.store(!is_quiet, Ordering::Relaxed);
        Ok(())
    }

    /// Starts or stops writing log files. Returns whether that is a change.
    ///
    /// # Errors
    ///
    /// [`LogError::Files`]; the previous setting stays.
    pub fn set_files(&self, settings: Option<FileSettings>) -> Result<bool, LogError> {
        self.sinks.set_files(settings).map_err(LogError::Files)
    }

    /// Starts or stops the export to Seq. Returns whether that is a change.
    ///
    /// # Errors
    ///
    /// [`LogError::Export`]; the previous setting stays.
    pub fn set_seq(&self, settings: Option<ExportSettings>) -> Result<bool, LogError> {
        self.sinks.set_collector(Collector::Seq, settings).map_err(LogError::Export)
    }

    /// Starts or stops the export to an OpenTelemetry collector. Returns whether that is a change.
    ///
    /// # Errors
    ///
    /// [`LogError::Export`].
    pub fn set_otlp(&self, settings: Option<ExportSettings>) -> Result<bool, LogError> {
        self.sinks.set_collector(Collector::Otlp, settings).map_err(LogError::Export)
    }

    /// Writes all buffered lines, as long as standard output is read.
    pub fn flush(&self) {
        self.sinks.flush_out();
    }
}
