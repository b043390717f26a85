//! Output of commands to the terminal; the running gateway logs instead.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use kyc_admin::is_terminal_control;
use kyc_model::Secret;
use serde_json::Value;

use crate::cli::failure::Failure;

/// Prints a result. A reader that is gone, such as `head`, is no reason to stop half-way: a command may have changed something.
pub(crate) fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints why a command fails, and returns its exit code.
pub(crate) fn fail(failure: &Failure) -> ExitCode {
    // Reasons can contain names from outside. Line breaks separate the problems of a configuration.
    failure.to_string().lines().for_each(progress_line);
    ExitCode::from(failure.code())
}

/// Prints why the answer is no, and returns the exit code of a refusal.
pub(crate) fn refuse(reason: &dyn Display) -> ExitCode {
    fail(&Failure::refused(reason))
}

/// Prints what a command does at the moment, apart from its result.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn progress_line(line: &str) {
    progress(&escaped(line));
}

/// Returns whether somebody can answer questions.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a line.
pub(crate) fn ask(what: &str) -> Result<String, String> {
    let _ = write!(io::stderr(), "{what}: ");
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|error| format!("cannot read from the terminal: {error}"))?;
    Ok(line.trim().to_owned())
}

/// Asks for a secret, which the terminal does not show.
pub(crate) fn ask_hidden(what: &str) -> Result<Secret, String> {
    let line = rpassword::prompt_password(format!("{what} (not shown): "));
    let line = line.map_err(|error| format!("cannot read from the terminal: {error}"))?;
    Ok(Secret::new(line.trim().to_owned()))
}

/// Escapes the terminal control characters in every text of a value.
pub(crate) fn printable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escaped(&text)),
        Value::Array(list) => list.into_iter().map(printable).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (escaped(&name), printable(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Escapes the terminal control characters in a text.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_terminal_control(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Escapes the terminal control characters in a text of several lines.
pub(crate) fn escaped_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// Escapes terminal control characters in JSON without changing its meaning: JSON allows such characters unescaped only within
/// strings.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_terminal_control(character) {
            // All of them are in the basic multilingual plane. Writing to a String cannot fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A writer that escapes lines of JSON.
#[derive(Debug)]
pub(crate) struct JsonLines<W> {
    out: W,
    line: Vec<u8>,
}

// === impl JsonLines ===

impl<W: io::Write> JsonLines<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }
}

impl<W: io::Write> io::Write for JsonLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.out.write_all(escaped_json(&String::from_utf8_lossy(&self.line)).as_bytes())?;
                self.line.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.line);
        self.out.write_all(escaped_json(&String::from_utf8_lossy(&rest)).as_bytes())?;
        self.out.flush()
    }
}

/// Runs a future to its end on a runtime of its own.
pub(crate) fn wait_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failed = |error| Failure::System(format!("cannot start the runtime: {error}"));
    runtime.map_err(failed)?.block_on(work)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "r-1\u{1b}[2J\nSTATE\u{9b}31m\u{7f}\u{202e}ü";

    #[test]
    fn terminal_control_characters_are_escaped() {
        let shown = printable(json!({ "resource\u{1b}": [HOSTILE, 7] }));

        let expected = "r-1\\u{1b}[2J\\nSTATE\\u{9b}31m\\u{7f}\\u{202e}ü";
        assert_eq!(shown, json!({ "resource\\u{1b}": [expected, 7] }));
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = json!({ "resource": HOSTILE });
        let (mut written, text) = (Vec::new(), format!("{value}\n"));
        let mut out = JsonLines::new(&mut written);

        for byte in text.as_bytes() {
            out.write_all(&[*byte]).unwrap();
        }
        out.flush().unwrap();

        let line = String::from_utf8(written).unwrap();
        assert!(!line.trim_end().chars().any(is_terminal_control), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
