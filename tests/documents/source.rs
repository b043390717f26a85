//! The source of gateway and plugins, without its tests, and what is read out of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::pages::root;

/// A source file.
pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) code: String,
}

/// One event of the log.
pub(crate) struct Event {
    pub(crate) level: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
}

/// Every source file of gateway and plugins that is no test, by path, without its comments and `mod tests`.
pub(crate) fn files() -> Vec<File> {
    let mut open: Vec<PathBuf> = ["gateway", "plugins"].iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if relative.ends_with(".rs") && !is_test(&relative) {
                found.push(File { path: relative, code: code(&path) });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.ends_with("testkit.rs")
}

fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    // A function that tests alone have may stand anywhere; the tests themselves are the end of a file.
    let tests =
        ["#[cfg(test)]\nmod tests", "#[cfg(test)]\npub(crate) mod tests"].map(|begin| text.find(begin));
    let end = tests.into_iter().flatten().min().unwrap_or(text.len());
    let without_tests = &text[..end];
    let lines = without_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Says whether a word ends at a place of a text.
pub(crate) fn ends_word(text: &str, at: usize) -> bool {
    !text[at..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// Says whether a text has a word, not only a longer one that begins with it.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| ends_word(text, at + word.len()))
}

/// The events that a file logs.
pub(crate) fn events(code: &str) -> Vec<Event> {
    let mut found = Vec::new();
    for level in ["error", "warn", "info", "debug"] {
        let call = format!("{level}!(");
        for (at, _) in code.match_indices(&call) {
            let is_whole = !code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if is_whole {
                found.extend(event(level, &arguments(&code[at + call.len()..])));
            }
        }
    }
    found
}

/// Fields are `name = value`, `%name`, `?name` or `name`; the message is a text alone.
fn event(level: &'static str, arguments: &[String]) -> Option<Event> {
    let mut event = Event { level, message: String::new(), fields: Vec::new() };
    for argument in arguments {
        let name = argument.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
        if let Some(text) = argument.strip_prefix('"') {
            // A text over two lines has a backslash at the end of the first one.
            let words = text.trim_end_matches('"').split_whitespace().filter(|word| *word != "\\");
            event.message = words.collect::<Vec<_>>().join(" ");
        } else if name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c)) {
            // `error.field` in place of a name is called by its last part.
            event.fields.push(name.rsplit('.').next().unwrap_or(name).to_owned());
        }
    }
    // Without a text it is no event: `warn!` of another macro.
    (!event.message.is_empty()).then_some(event)
}

/// The arguments of a call whose opening parenthesis stands before `code`.
fn arguments(code: &str) -> Vec<String> {
    let (mut found, mut current) = (Vec::new(), String::new());
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    for character in code.chars() {
        match character {
            _ if is_text => {
                is_text = is_escaped || character != '"';
                is_escaped = !is_escaped && character == '\\';
            }
            '"' => is_text = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(std::mem::take(&mut current).trim().to_owned());
                continue;
            }
            _ => {}
        }
        current.push(character);
    }
    found.push(current.trim().to_owned());
    found.retain(|argument| !argument.is_empty());
    found
}

#[test]
fn events_are_read_with_their_fields() {
    let code = "tracing::warn!(%error, tenant = %tenant.name, since = f(1, 2), event.uid, \"a \\\"quoted\\\" text, too\");\n\
                awarn!(x, \"no\"); debug!(target: T, \"said\")";

    let found = events(code);

    assert_eq!(found.len(), 2);
    assert_eq!((found[0].level, found[0].message.as_str()), ("warn", "a \\\"quoted\\\" text, too"));
    assert_eq!(found[0].fields, ["error", "tenant", "since", "uid"]);
    assert_eq!((found[1].message.as_str(), found[1].fields.len()), ("said", 0));
}
