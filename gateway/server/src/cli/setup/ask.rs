//! Asks for missing values on the terminal.

use kyc_model::Secret;

use crate::cli::failure::Failure;
use crate::cli::terminal;

/// Asks for a value. Without a terminal, names the option that gives it.
pub(super) fn ask(what: &str, option: &str) -> Result<String, Failure> {
    if !terminal::can_ask() {
        return Err(Failure::Usage(format!("{what} is missing: give {option}")));
    }
    let answer = terminal::ask(what).map_err(Failure::system)?;
    if answer.is_empty() { Err(Failure::Usage(format!("{what} is missing"))) } else { Ok(answer) }
}

/// Asks for a secret without showing it, unless it is given.
pub(super) fn secret(given: Option<Secret>, what: &str, option: &str) -> Result<Secret, Failure> {
    if let Some(secret) = given {
        return Ok(secret);
    }
    if !terminal::can_ask() {
        return Err(Failure::Usage(format!("{what} is missing: give {option}")));
    }
    let secret = terminal::ask_hidden(what).map_err(Failure::system)?;
    if secret.is_empty() { Err(Failure::Usage(format!("{what} is missing"))) } else { Ok(secret) }
}
