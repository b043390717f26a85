//! Which lines are logged, by level and crate.
//!
//! Debug lines of HTTP libraries show heads and bodies. The configured level therefore applies only to crates that keep secrets
//! out of their lines: the gateway's own, whose names all begin with `kyc_`, and those of registered plugins. Every other crate
//! stays at `warn`.

use tracing_subscriber::EnvFilter;

/// The level is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a log level: use error, warn, info, debug or trace")]
pub struct LevelError(String);

/// Checks that `level` is `error`, `warn`, `info`, `debug` or `trace`.
///
/// # Errors
///
/// [`LevelError`] for any other text.
pub fn check_level(level: &str) -> Result<(), LevelError> {
    filter(level, &[]).map(|_| ())
}

/// The filter for a level of the gateway's crates and of the crates of plugins.
pub(super) fn filter(level: &str, plugins: &[String]) -> Result<EnvFilter, LevelError> {
    let wrong = || LevelError(level.to_owned());
    if !["error", "warn", "info", "debug", "trace"].contains(&level) {
        return Err(wrong());
    }
    EnvFilter::try_new(directives(level, plugins)).map_err(|_| wrong())
}

/// The directives of the filter. A directive matches every target that begins with its text, and the longest match wins. Without
/// more directives, the level of a plugin's crate `acme` would also apply to a library `acme_http`; so every longer name gets
/// a directive with `warn`.
fn directives(level: &str, plugins: &[String]) -> String {
    let own = std::iter::once(format!("{OWN}={level}"));
    let plugins = plugins.iter().filter(|name| !name.starts_with(OWN));
    let longer =
        plugins.clone().flat_map(|name| LETTERS.chars().map(move |letter| format!("{name}{letter}=warn")));
    let plugins = plugins.map(|name| format!("{name}={level}"));
    // Of two directives with the same text, the last one wins.
    let rules = longer.chain(plugins).chain(own).chain(LIBRARIES.iter().map(|&rule| rule.to_owned()));
    rules.collect::<Vec<String>>().join(",")
}

/// The characters that can follow in a longer crate name.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789_";

/// The prefix of the names of the gateway's crates.
const OWN: &str = "kyc_";

/// The directives of libraries: they log failures, but not the data that they process.
///
/// Some are off. OpenTelemetry logs each batch of spans that a collector refuses, and `vaultrs` and `rustify` log a failed call
/// with the path of the secret; the gateway logs these failures itself. Pingora's HTTP server, which serves the admin listener,
/// quotes a request head that it cannot parse. Access lines are always written.
const LIBRARIES: [&str; 7] = [
    "warn",
    "access=info",
    "vaultrs=off",
    "rustify=off",
    "pingora_core::apps::http_app=off",
    "opentelemetry_sdk=off",
    "opentelemetry-otlp=off",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_level_applies_to_plugins_but_not_to_libraries() {
        let text = directives("debug", &["acme_stamp".to_owned()]);

        let rules: Vec<&str> = text.split(',').collect();
        for rule in ["warn", "kyc_=debug", "acme_stamp=debug", "acme_stamp_=warn", "acme_stamps=warn"] {
            assert!(rules.contains(&rule), "{rule}: {text}");
        }
        assert!(filter("debug", &["acme_stamp".to_owned()]).is_ok());
        assert_eq!(check_level("loud"), Err(LevelError("loud".to_owned())));
    }
}
