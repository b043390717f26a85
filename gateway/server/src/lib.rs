//! kyc-gateway: command line, configuration, assembly, admin listener.
//!
//! A gateway with a plugin of one's own is a few lines:
//!
//! ```no_run
//! # use kyc_gateway::Gateway;
//! fn main() -> std::process::ExitCode {
//!     Gateway::builder() /* .plugin::<acme::Stamp>() */ .run()
//! }
//! ```

mod admin;
mod announcement;
mod assembly;
mod audit;
mod cli;
mod config;
mod decoding;
mod delivery;
mod description;
mod document;
mod endpoints;
mod events;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod hardening;
mod instruments;
mod logging;
mod plugins;
mod program;
mod refresh;
mod registry;
mod remote;
mod runtime;
mod shutdown;
mod sockets;
mod stored_events;
mod tenancy;
mod terminal;
mod upgrade;
mod work;

pub use gateway::Gateway;
