//! The command line of the demo.

use clap::{Parser, ValueEnum};

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
}

/// What the demo can start in addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Extra {
    /// A Prometheus that scrapes the gateway, with its alerting rules.
    Observability,
}

// === impl Options ===

impl Options {
    /// Whether the demo ends after the flow.
    pub(crate) fn is_once(&self) -> bool {
        self.once || std::env::var_os("ONCE").is_some_and(|once| !once.is_empty() && once != "0")
    }
}
