//! The configuration: TOML in, checked settings out, or every problem at once.

mod addresses;
mod admin;
mod binding;
mod events;
mod issuers;
mod listeners;
mod log;
mod order;
mod raw;
mod routes;
mod settings;
mod tenants;
mod tls;

use std::path::{Path, PathBuf};

pub(crate) use admin::{AdminSettings, Place};
pub(crate) use binding::{Bindings, unbound};
pub(crate) use listeners::{HttpLimits, Listener};
pub(crate) use log::{LogSettings, SinkSettings};
use raw::Raw;
pub(crate) use routes::{DescribedRoute, Offers};
pub(crate) use settings::{Settings, TenantSource};

use crate::decoding::{Problems, decode};
use crate::instruments::Instruments;
use crate::registry::Registry;

/// What a configuration is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To say what is wrong with it, and with the tenants beside it.
    Check,
    /// To work with it. What is wrong with a tenant is that tenant's alone, and must keep nobody else from being served, and
    /// no store from being saved.
    Use,
}

/// Reads and checks a configuration file. After it succeeds nothing is checked again.
///
/// # Errors
///
/// Every problem that could be found, each with its path in the file.
pub(crate) fn load(
    file: &Path,
    registry: &Registry,
    instruments: &Instruments,
    purpose: Purpose,
) -> Result<Settings, Problems> {
    let mut problems = Problems::new(file);
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            problems.add("", format!("cannot be read: {error}"));
            return Err(problems);
        }
    };
    check(&text, file, registry, instruments, (purpose, problems))
}

/// The same for a text that is at hand; `file` says which folder its paths count from.
#[cfg(feature = "fuzzing")]
pub(crate) fn load_text(
    text: &str,
    file: &Path,
    registry: &Registry,
    instruments: &Instruments,
) -> Result<Settings, Problems> {
    check(text, file, registry, instruments, (Purpose::Check, Problems::new(file)))
}

fn check(
    text: &str,
    file: &Path,
    registry: &Registry,
    instruments: &Instruments,
    (purpose, mut problems): (Purpose, Problems),
) -> Result<Settings, Problems> {
    let raw = read(text, &mut problems);
    let settings = Settings::check(raw, &Folder::of(file), registry, instruments, (purpose, &mut problems));
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        Some(_) | None => Err(problems),
    }
}

/// Decodes the text; what cannot be read keeps its default, and is noted.
fn read(text: &str, problems: &mut Problems) -> Raw {
    match text.parse::<toml::Table>() {
        Ok(table) => decode(toml::Value::Table(table), "", problems).unwrap_or_default(),
        Err(error) => {
            problems.add_syntax(text, &error);
            Raw::default()
        }
    }
}

/// The folder of the configuration file, from which relative paths in it count.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

// === impl Folder ===

impl Folder {
    fn of(file: &Path) -> Self {
        Self(file.parent().map(Path::to_owned).unwrap_or_default())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where a path of the configuration leads.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.0.join(path)
    }
}

#[cfg(test)]
mod tests;
