//! Sets up the log: JSON lines (or text for people) on standard output.

use std::io::Write;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Metrics;
use crate::json::{JsonLines, Line, with_line};
use crate::writer::BlockWriter;
pub use crate::writer::FlushGuard;

/// How lines look.
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
    /// The level is none.
    #[error("`{0}` is no level: use error, warn, info, debug or trace")]
    Level(String),
    /// The writing thread did not start.
    #[error("cannot start the log thread")]
    Thread(#[source] std::io::Error),
    /// Another subscriber is in place.
    #[error("the log is already set up")]
    Taken,
}

/// Starts logging at `level` (of our own crates; libraries stay at `warn`, since their debug lines show
/// heads and bodies).
///
/// # Errors
///
/// [`LogError`].
pub fn init(level: &str, format: Format, metrics: &Metrics) -> Result<FlushGuard, LogError> {
    let filter = filter(level)?;
    let dropped = metrics.log_lines_dropped.clone();
    let (writer, guard) = BlockWriter::start(dropped).map_err(LogError::Thread)?;
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Json => registry.with(JsonLines(writer.clone())).try_init().inspect(|()| {
            // Once a subscriber is in place there is no second one, so this is never taken.
            let _ = LINES.set(writer);
        }),
        Format::Text => {
            registry.with(tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false)).try_init()
        }
    }
    .map_err(|_| LogError::Taken)?;
    Ok(guard)
}

/// Writes a line past the subscriber; false when lines are no JSON.
pub(crate) fn write_line(fill: impl FnOnce(&mut Line<'_>)) -> bool {
    let Some(mut writer) = LINES.get() else { return false };
    // A log that cannot be written must fail no request.
    with_line(fill, |text| drop(writer.write_all(text.as_bytes())));
    true
}

/// Where JSON lines go.
static LINES: OnceLock<BlockWriter> = OnceLock::new();

/// Checks a level without starting anything.
///
/// # Errors
///
/// [`LogError::Level`].
pub fn check_level(level: &str) -> Result<(), LogError> {
    filter(level).map(|_| ())
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    if !["error", "warn", "info", "debug", "trace"].contains(&level) {
        return Err(LogError::Level(level.to_owned()));
    }
    let ours = OURS.iter().map(|target| format!("{target}={level}"));
    let directives: Vec<String> = LIBRARIES.iter().map(|rule| (*rule).to_owned()).chain(ours).collect();
    EnvFilter::try_new(directives.join(",")).map_err(|_| LogError::Level(level.to_owned()))
}

/// Targets of our own crates.
const OURS: [&str; 10] = [
    "kyc_gateway",
    "kyc_plugin_api",
    "kyc_plugin_caller_auth",
    "kyc_plugin_onfido",
    "kyc_plugin_rate_limit",
    "kyc_plugin_subscription",
    "kyc_plugin_webhook",
    "kyc_proxy",
    "kyc_telemetry",
    "kyc_tenants",
];

/// Libraries say what went wrong, but not what they handle. Three are silent: `vaultrs` and `rustify` log a
/// failed call with the secret's path, Pingora's proxy can quote a head; the gateway reports the same failures
/// itself. Access lines are always written.
const LIBRARIES: [&str; 5] = ["warn", "access=info", "vaultrs=off", "rustify=off", "pingora_proxy=off"];
