//! The command line of the demo.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use kyc_harness::gateway::binary;

/// Starts a simulated Onfido, two simulated FintechOS portals and the gateway, runs the complete flow for two tenants, and stays up
/// until Ctrl-C. Its files are in `data/demo` of the current folder.
#[derive(Debug, Parser)]
#[command(name = "kyc-demo", version)]
pub(crate) struct Options {
    /// Ends after the flow; the variable `ONCE=1` does the same.
    #[arg(long)]
    once: bool,
    /// What else is started.
    #[arg(long, value_name = "WHAT")]
    pub(crate) with: Vec<Extra>,
    /// The gateway's program; default: the one that was built next to this program. It gets paths that are relative to the current
    /// folder.
    #[arg(long, value_name = "PROGRAM")]
    gateway: Option<PathBuf>,
}

/// What the demo can start in addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Extra {
    /// A Prometheus that scrapes the gateway, with its alerting rules.
    Observability,
}

// === impl Options ===

impl Options {
    /// The gateway's program.
    pub(crate) fn gateway(&self) -> PathBuf {
        self.gateway.clone().unwrap_or_else(|| binary("kyc-gateway"))
    }

    /// Whether the demo ends after the flow.
    pub(crate) fn is_once(&self) -> bool {
        self.once || std::env::var_os("ONCE").is_some_and(|once| !once.is_empty() && once != "0")
    }
}
