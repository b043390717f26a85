//! Processes that run on one core.

use std::path::Path;
use std::process::{Command, Stdio};

use kyc_harness::process::Process;

/// The beginning of a command line that runs the rest of it on a core.
pub(crate) const fn command_line(core: &str) -> [&str; 3] {
    ["taskset", "-c", core]
}

/// Starts a program on a core. Its standard error is that of this process.
///
/// # Errors
///
/// `taskset` is missing.
pub(crate) fn spawn(
    core: &str,
    program: &Path,
    arguments: &[String],
    output: Stdio,
) -> Result<Process, String> {
    let [taskset, option, core] = command_line(core);
    let mut command = Command::new(taskset);
    command.args([option, core]).arg(program).args(arguments).stdin(Stdio::null()).stdout(output);
    Process::spawn(&mut command).map_err(|error| format!("cannot start {taskset}: {error}"))
}
