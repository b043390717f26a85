//! Sets up the log: JSON lines (or text for people) on standard output.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
pub fn init(level: &str, format: Format) -> Result<FlushGuard, LogError> {
    let filter = filter(level)?;
    let (writer, guard) = BlockWriter::start().map_err(LogError::Thread)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Json => {
            let json = layer.json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry.with(json).try_init()
        }
        Format::Text => registry.with(layer.with_ansi(false)).try_init(),
    }
    .map_err(|_| LogError::Taken)?;
    Ok(guard)
}

/// Checks a level without starting anything.
///
/// # Errors
///
/// [`LogError::Level`].
pub fn check_level(level: &str) -> Result<(), LogError> {
    filter(level).map(|_| ())
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let known = ["error", "warn", "info", "debug", "trace"];
    if !known.contains(&level) {
        return Err(LogError::Level(level.to_owned()));
    }
    let ours = OURS.iter().map(|target| format!("{target}={level}"));
    let directives: Vec<String> = std::iter::once("warn".to_owned()).chain(ours).collect();
    EnvFilter::try_new(directives.join(",")).map_err(|_| LogError::Level(level.to_owned()))
}

/// Targets of our own crates. `vaultrs` and `rustify` log a failed call at error with the secret's path,
/// which the tenants' watcher reports better.
const OURS: [&str; 13] = [
    "access=info,kyc_gateway",
    "kyc_model",
    "kyc_plugin_api",
    "kyc_proxy",
    "kyc_telemetry",
    "kyc_tenants",
    "kyc_plugin_caller_auth",
    "kyc_plugin_onfido",
    "kyc_plugin_rate_limit",
    "kyc_plugin_subscription",
    "kyc_plugin_webhook",
    "vaultrs=off,rustify=off,acme_stamp",
    "pingora_core::services=warn,kyc_sandbox",
];
