//! What a person at the terminal is told; everything else is logged.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the one room that writes to the terminal")]

use std::fmt::Display;
use std::process::ExitCode;

/// Says something that was asked for.
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Says why a command failed.
pub(crate) fn fail(reason: &dyn Display) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::FAILURE
}

/// Says what came of a command.
pub(crate) fn tell(done: Result<String, String>) -> ExitCode {
    match done {
        Ok(text) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(reason) => fail(&reason),
    }
}

/// Waits for what a command does.
pub(crate) fn wait_for<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("no runtime: {error}"))?.block_on(work)
}
