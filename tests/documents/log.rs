//! `log.md`: the access line and every other message, from the source.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::pages::{assert_generated, cell, read};
use crate::source;

const ACCESS: &str = "gateway/telemetry/src/log/access.rs";

/// Fields of the access line that are not called as in the record.
const OF_RECORD: [(&str, &str); 4] = [
    ("trace_id", "trace"),
    ("span_id", "trace"),
    ("duration_us", "duration"),
    ("upstream_us", "upstream_duration"),
];

/// The rows of the access line, in its order: `line.text("name", …)`.
fn access_line() -> Vec<String> {
    let code = read(ACCESS);
    let written = code.split("fn fill(").nth(1).unwrap().split("line.end()").next().unwrap();
    let mut rows = Vec::new();
    for call in written.split("line.").skip(1) {
        let Some((method, rest)) = call.split_once("(\"") else { continue };
        let (name, _) = rest.split_once('"').unwrap();
        let kind = if method == "number" { "number" } else { "text" };
        let member = OF_RECORD.iter().find(|(field, _)| *field == name).map_or(name, |(_, member)| member);
        if name != "message" {
            rows.push(format!("| `{name}` | {kind} | {} |", meaning(&code, member)));
        }
    }
    rows
}

/// The comment of a member of the record.
fn meaning(code: &str, member: &str) -> String {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.starts_with(&format!("pub {member}: "))).unwrap();
    let comments = lines[..at].iter().rev().map_while(|line| line.strip_prefix("///"));
    let mut comments: Vec<&str> = comments.collect();
    comments.reverse();
    cell(&comments.concat())
}

#[test]
fn the_page_of_the_log_is_what_the_source_says() {
    let mut messages: BTreeSet<(usize, String, String)> = BTreeSet::new();
    for file in source::files().into_iter().filter(|file| file.path != ACCESS) {
        for event in source::events(&file.code) {
            let level = LEVELS.iter().position(|level| *level == event.level).unwrap();
            let fields: Vec<String> = event.fields.iter().map(|field| format!("`{field}`")).collect();
            let room = file.path.split('/').take(2).collect::<Vec<_>>().join("/");
            let row = format!("| {} | {} | `{room}` |", cell(&event.message), fields.join(", "));
            messages.insert((level, row, room));
        }
    }
    let access = access_line();
    let mut text = format!(
        "## Access line\n\nEach request has one, with the level `INFO`, the target `access` and the message `request`.\n\n\
         | field | type | meaning |\n|---|---|---|\n{}\n",
        access.join("\n")
    );
    for (place, level) in LEVELS.iter().enumerate() {
        let _ = writeln!(
            text,
            "\n## Messages of the level {level}\n\n| message | fields | room |\n|---|---|---|"
        );
        for (_, row, _) in messages.iter().filter(|(of, ..)| *of == place) {
            let _ = writeln!(text, "{row}");
        }
    }

    assert!(access.len() >= 15, "{access:?}");
    assert!(messages.len() > 80, "only {} messages were found", messages.len());
    assert_generated("log.md", "the source", &text);
}

const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];
