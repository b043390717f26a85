//! Which lines are logged, by level and crate.

use tracing_subscriber::EnvFilter;

/// A text is no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no level: use error, warn, info, debug or trace")]
pub struct LevelError(String);

/// Checks a level without starting anything.
///
/// # Errors
///
/// [`LevelError`].
pub fn check_level(level: &str) -> Result<(), LevelError> {
    filter(level).map(|_| ())
}

pub(super) fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    if !["error", "warn", "info", "debug", "trace"].contains(&level) {
        return Err(LevelError(level.to_owned()));
    }
    let ours = OURS.iter().map(|target| format!("{target}={level}"));
    let directives: Vec<String> = LIBRARIES.iter().map(|rule| (*rule).to_owned()).chain(ours).collect();
    EnvFilter::try_new(directives.join(",")).map_err(|_| LevelError(level.to_owned()))
}

/// Targets of our own crates.
const OURS: [&str; 12] = [
    "kyc_gateway",
    "kyc_http_client",
    "kyc_plugin_api",
    "kyc_plugin_caller_auth",
    "kyc_plugin_onfido",
    "kyc_plugin_rate_limit",
    "kyc_plugin_subscription",
    "kyc_plugin_webhook",
    "kyc_proxy",
    "kyc_telemetry",
    "kyc_tenants",
    "kyc_tokens",
];

/// Libraries say what went wrong, but not what they handle. Some are silent: OpenTelemetry's would say of each batch of
/// spans that it was not taken, `vaultrs` and `rustify` log a failed call with the secret's path; the gateway reports the
/// same failures itself. Pingora's HTTP server, which the admin listener is, quotes a head that it cannot read. Access lines
/// are always written.
const LIBRARIES: [&str; 7] = [
    "warn",
    "access=info",
    "vaultrs=off",
    "rustify=off",
    "pingora_core::apps::http_app=off",
    "opentelemetry_sdk=off",
    "opentelemetry-otlp=off",
];
