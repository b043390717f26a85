//! The configuration file that a command reads.

use std::path::PathBuf;

/// Names the configuration file.
#[derive(clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; `conf/gateway.toml` documents every key.
    #[arg(long, value_name = "FILE", default_value = "conf/gateway.toml")]
    pub(crate) config: PathBuf,
}
