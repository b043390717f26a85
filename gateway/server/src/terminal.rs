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
