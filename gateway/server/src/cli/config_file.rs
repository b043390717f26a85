//! The option `--config` of commands that read the configuration.

use std::path::PathBuf;

/// Selects the configuration file.
#[derive(clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; `conf/gateway.toml` documents every key.
    #[arg(long, value_name = "FILE", default_value = "conf/gateway.toml")]
    pub(crate) config: PathBuf,
}
