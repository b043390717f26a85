//! Builds a plugin from its settings.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use kyc_model::ConfigErrors;
use kyc_telemetry::MetricsRegistry;
use serde::de::DeserializeOwned;

use crate::plugin::Plugin;
use crate::services::Services;

/// What a plugin crate exports: a name, a typed configuration and a constructor.
pub trait Factory: 'static {
    /// The `plugin = "…"` value that selects this kind; kebab-case.
    const KIND: &'static str;
    /// The settings beside `plugin`; derive `Deserialize` with `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned;
    /// What is built.
    type Plugin: Plugin;
    /// Keys of earlier releases that have moved, with their new places; none by default. If a key was a section, its own keys keep
    /// their names at the new place. A configuration with such a key is refused with the new place, not with "unknown key".
    const MOVED: &'static [(&'static str, &'static str)] = &[];

    /// Builds one instance for one place in the list of a route. Opens no connection and starts no task.
    ///
    /// # Errors
    ///
    /// Every problem of the settings. Keys are relative to the plugin's own section; the gateway adds the plugin's place in the
    /// configuration.
    fn build(config: Self::Config, build: &Build<'_>) -> Result<Self::Plugin, ConfigErrors>;
}

/// The context of a factory: the route, services and metrics.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The name of the route the instance is for.
    pub route: &'a str,
    /// The route's `any_tenant`: whether every caller may act for every tenant.
    pub any_tenant: bool,
    /// The folder of the configuration file; relative paths count from it.
    pub folder: &'a Path,
    /// What the gateway offers: tenants, HTTP clients and others.
    pub services: &'a Services,
    /// Registers the plugin's own metrics.
    pub metrics: &'a MetricsRegistry,
    /// Collects warnings about settings that are allowed but risky.
    pub warnings: &'a Warnings,
}

/// Warnings of factories. `check` prints them, `run` logs them.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Vec<String>>);

// === impl Warnings ===

impl Warnings {
    /// Adds a warning, which must not contain a secret.
    pub fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.into());
    }

    /// Removes and returns the warnings so far.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
