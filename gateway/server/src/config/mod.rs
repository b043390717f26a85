//! Loads the configuration: decodes the TOML file and checks it. The result is checked settings, or every problem with its path.
//!
//! All problems are reported together, because an operator who learns one problem per start needs as many restarts. The rest of
//! the gateway checks nothing again: what can be wrong is refused here, before anything listens.

mod access_tokens;
mod addresses;
mod admin;
mod binding;
mod doctor;
mod events;
mod folder;
mod issuers;
mod ledger;
mod limits;
mod listeners;
mod log;
mod offers;
mod order;
mod origin;
mod purpose;
mod raw;
mod reach;
mod reconciliation;
mod routes;
mod settings;
mod tenant_source;
mod tenants;
mod tls;

use std::path::Path;

pub(crate) use admin::{AdminSettings, Place};
pub(crate) use binding::{Bindings, unbound};
pub(crate) use doctor::SetupSettings;
use folder::Folder;
pub(crate) use listeners::{HttpLimits, Listener};
pub(crate) use log::{LogSettings, SinkSettings};
pub(crate) use offers::Offers;
pub(crate) use origin::Origin;
pub(crate) use purpose::Purpose;
use raw::Raw;
pub(crate) use settings::Settings;
pub(crate) use tenant_source::TenantSource;

use crate::decoding::{Problems, decode};
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;

/// Reads and checks a configuration file.
///
/// # Errors
///
/// [`Problems`] with every problem that was found, each with its path in the file.
pub(crate) fn load(
    file: &Path,
    registry: &Registry,
    build_context: &BuildContext,
    purpose: Purpose,
) -> Result<Settings, Problems> {
    let mut problems = Problems::new(file);
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let reason = "there is no such file; name the configuration with --config or KYC_GATEWAY_CONFIG";
            problems.add("", reason);
            return Err(problems);
        }
        Err(error) => {
            problems.add("", format!("cannot be read: {error}"));
            return Err(problems);
        }
    };
    check(&text, file, registry, build_context, (purpose, problems))
}

/// Checks a configuration that is not read from a file. Relative paths in it are relative to the folder of `file`.
#[cfg(feature = "fuzzing")]
pub(crate) fn load_text(
    text: &str,
    file: &Path,
    registry: &Registry,
    build_context: &BuildContext,
) -> Result<Settings, Problems> {
    check(text, file, registry, build_context, (Purpose::Check, Problems::new(file)))
}

fn check(
    text: &str,
    file: &Path,
    registry: &Registry,
    build_context: &BuildContext,
    (purpose, mut problems): (Purpose, Problems),
) -> Result<Settings, Problems> {
    let raw = read(text, &mut problems);
    let settings = Settings::check(raw, &Folder::of(file), registry, build_context, (purpose, &mut problems));
    match settings.map(|settings| Settings { origin: Origin::of(file, text), ..settings }) {
        Some(settings) if problems.is_empty() => Ok(settings),
        Some(_) | None => Err(problems),
    }
}

/// Decodes the text. A value that cannot be decoded is reported and gets its default, so that the rest is checked, too.
fn read(text: &str, problems: &mut Problems) -> Raw {
    match text.parse::<toml::Table>() {
        Ok(table) => decode(toml::Value::Table(table), "", problems).unwrap_or_default(),
        Err(error) => {
            problems.add_syntax(text, &error);
            Raw::default()
        }
    }
}

#[cfg(test)]
mod tests;
