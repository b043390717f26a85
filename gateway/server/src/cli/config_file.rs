//! The option `--config` of commands that read the configuration.

use std::path::{Path, PathBuf};

/// Selects the configuration file.
#[derive(clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; default: `conf/gateway.toml` in the current folder if it exists, otherwise
    /// `/etc/kyc-gateway/gateway.toml`.
    #[arg(long = "config", value_name = "FILE", env = "KYC_GATEWAY_CONFIG", hide_env_values = true)]
    named: Option<PathBuf>,
}

// === impl ConfigFile ===

impl ConfigFile {
    /// The path of the file, which need not exist.
    pub(crate) fn path(&self) -> PathBuf {
        self.named.clone().unwrap_or_else(|| default_below(Path::new("")))
    }
}

/// A checkout of the repository comes first, so that nobody who develops there operates on the installed gateway.
fn default_below(folder: &Path) -> PathBuf {
    let own = folder.join(IN_REPOSITORY);
    if own.is_file() { own } else { PathBuf::from(INSTALLED) }
}

const IN_REPOSITORY: &str = "conf/gateway.toml";
const INSTALLED: &str = "/etc/kyc-gateway/gateway.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_of_the_current_folder_precedes_the_installed_one() {
        let folder = tempfile::tempdir().unwrap();

        let without = default_below(folder.path());
        std::fs::create_dir(folder.path().join("conf")).unwrap();
        std::fs::write(folder.path().join(IN_REPOSITORY), "").unwrap();
        let with = default_below(folder.path());

        assert_eq!(without, Path::new(INSTALLED));
        assert_eq!(with, folder.path().join(IN_REPOSITORY));
    }
}
