//! Which lines are logged, by level and crate.
//!
//! Debug lines of HTTP libraries show heads and bodies, so the configured level holds only for crates that are known to keep
//! secrets out of their lines: the gateway's own, which all begin with the same prefix, and those of the plugins that were
//! added to it. Every other crate stays at `warn`.

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

/// A directive holds for every target that begins with its text, and the longest one counts. So that the level of the crate
/// `acme` is not that of a crate `acme_http`, all longer names have a directive, too.
fn directives(level: &str, plugins: &[String]) -> String {
    let own = std::iter::once(format!("{OWN}={level}"));
    let plugins = plugins.iter().filter(|name| !name.starts_with(OWN));
    let longer =
        plugins.clone().flat_map(|name| LETTERS.chars().map(move |letter| format!("{name}{letter}=warn")));
    let plugins = plugins.map(|name| format!("{name}={level}"));
    // Of two rules for one text the last one counts.
    let rules = longer.chain(plugins).chain(own).chain(LIBRARIES.iter().map(|&rule| rule.to_owned()));
    rules.collect::<Vec<String>>().join(",")
}

/// What a longer name of a crate may go on with.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789_";

/// How the names of the gateway's crates begin.
const OWN: &str = "kyc_";

/// Libraries log failures, but not what they handle. Some are off: OpenTelemetry's would log each batch of spans that was not
/// taken, `vaultrs` and `rustify` log a failed call with the secret's path, and the gateway reports the same failures itself.
/// Pingora's HTTP server, which the admin listener is, quotes a head that it cannot read. Access lines are always written.
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
    fn plugins_have_the_level_of_the_gateway_and_libraries_do_not() {
        let text = directives("debug", &["acme_stamp".to_owned()]);

        let rules: Vec<&str> = text.split(',').collect();
        for rule in ["warn", "kyc_=debug", "acme_stamp=debug", "acme_stamp_=warn", "acme_stamps=warn"] {
            assert!(rules.contains(&rule), "{rule}: {text}");
        }
        assert!(filter("debug", &["acme_stamp".to_owned()]).is_ok());
        assert_eq!(check_level("loud"), Err(LevelError("loud".to_owned())));
    }
}
