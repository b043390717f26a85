//! The program kyc-gateway: command line, configuration, assembly of all rooms, start and end of the process.
//!
//! A program with an additional plugin is a few lines:
//!
//! ```no_run
//! # use kyc_gateway::Gateway;
//! fn main() -> std::process::ExitCode {
//!     Gateway::builder() /* .plugin::<acme::Stamp>() */ .run()
//! }
//! ```

mod assembly;
mod build;
mod cli;
mod config;
mod crypto_provider;
mod decoding;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod lifecycle;
mod plugins;
mod serilog;

use std::fmt;
use std::process::ExitCode;

use kyc_plugin_api::Factory;

use crate::plugins::registry::Registry;

/// A gateway with the built-in plugins. Plugins of third parties can be added.
pub struct Gateway {
    registry: Registry,
}

// === impl Gateway ===

impl Gateway {
    /// Creates a gateway with the built-in plugins.
    pub fn builder() -> Self {
        Self { registry: plugins::built_in::built_in() }
    }

    /// Adds a kind of plugin, which routes can then name in their `plugins`.
    #[must_use]
    pub fn plugin<F: Factory>(mut self) -> Self {
        self.registry.add::<F>();
        self
    }

    /// Runs the command of the command line. The command `run` returns only when the gateway could not start.
    pub fn run(self) -> ExitCode {
        crypto_provider::install();
        cli::execute(&self.registry)
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("plugins", &self.registry.kinds()).finish()
    }
}
