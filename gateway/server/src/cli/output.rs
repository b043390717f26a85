//! The option `--json` of commands that need no running gateway.

use serde_json::Value;

use crate::cli::terminal;

/// The form of a result.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Output {
    /// Prints the result as one JSON object.
    #[arg(long)]
    json: bool,
}

// === impl Output ===

impl Output {
    /// The result as one line of text or of JSON.
    pub(crate) fn line(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> String {
        if self.json { json().to_string() } else { text() }
    }

    /// Prints the result. Terminal control characters are escaped.
    pub(crate) fn print(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        let shown = self.line(text, json);
        if self.json {
            terminal::print(&terminal::escaped_json(&shown));
        } else {
            shown.lines().for_each(|line| terminal::print(&terminal::escaped(line)));
        }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }
}
