//! `kyc-gateway generate`, which is hidden: manual pages and completions, for those who make packages.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Command, Subcommand};
use clap_complete::Shell;

use crate::build::BUILD;
use crate::cli::failure::Failure;
use crate::cli::terminal;

/// What is generated.
#[derive(Subcommand)]
pub(crate) enum GenerateCommand {
    /// Writes a manual page for each command into a folder that exists.
    Man {
        /// The folder.
        folder: PathBuf,
    },
    /// Prints the completions for a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

// === impl GenerateCommand ===

impl GenerateCommand {
    /// Generates from the description of the command line.
    pub(crate) fn execute(self, command: Command) -> ExitCode {
        let name = command.get_name().to_owned();
        match self {
            Self::Man { folder } => {
                // The pages of two builds of one version should not differ.
                let command = command.long_version(BUILD.version);
                if let Err(error) = clap_mangen::generate_to(command, &folder) {
                    return terminal::fail(&Failure::System(format!("{}: {error}", folder.display())));
                }
            }
            Self::Completion { shell } => {
                let mut command = command;
                clap_complete::generate(shell, &mut command, name, &mut io::stdout());
            }
        }
        ExitCode::SUCCESS
    }
}
