//! `configuration.md`, from `conf/gateway.toml`.

use std::fmt::Write;

use crate::pages::{assert_generated, cell, read};

/// A section of the file, from its header to the next one.
struct Section {
    title: String,
    text: String,
}

/// A line that sets a key or begins a section, also where it is commented out.
pub(crate) fn code(line: &str) -> Option<&str> {
    let code = line.strip_prefix("# ").unwrap_or(line);
    let key = code.split(" = ").next().unwrap_or_default();
    let is_key = code.contains(" = ")
        && !key.is_empty()
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c));
    let is_header = code.starts_with('[')
        && code.ends_with(']')
        && code.chars().all(|c| c.is_ascii_lowercase() || "_.[]".contains(c));
    (is_key || is_header).then_some(code)
}

/// The file in sections. A comment in front of a header belongs to it.
fn sections(file: &str) -> Vec<Section> {
    let mut found = vec![Section { title: "The file".to_owned(), text: String::new() }];
    let mut pending = String::new();
    let mut list = String::new();
    for line in file.lines() {
        let header = code(line).filter(|code| code.starts_with('['));
        match header {
            Some(header) => {
                let name = header.trim_matches(['[', ']']).to_owned();
                let title = match name.as_str() {
                    "routes.plugins" => String::new(),
                    name => format!("`{name}`"),
                };
                list.clone_from(&name);
                found.push(Section { title, text: format!("{pending}{line}\n") });
                pending.clear();
            }
            None if line.starts_with('#') && code(line).is_none() => {
                let _ = writeln!(pending, "{line}");
            }
            None => {
                let section = found.last_mut().unwrap();
                section.text.push_str(&std::mem::take(&mut pending));
                let _ = writeln!(section.text, "{line}");
                let value = code(line).and_then(|code| code.split_once(" = "));
                match (list.as_str(), value) {
                    ("routes.plugins", Some(("plugin", kind))) => {
                        section.title = format!("Plugin `{}`", kind.trim_matches('"'))
                    }
                    ("routes", Some(("name", name))) => {
                        section.title = format!("`routes`: the route `{}`", name.trim_matches('"'));
                    }
                    _ => {}
                }
            }
        }
    }
    found.last_mut().unwrap().text.push_str(&pending);
    found
}

/// The keys of a section with their defaults; those without one are commented out in the file.
fn keys(section: &Section) -> Vec<(String, String)> {
    let lines = section.text.lines().filter_map(|line| Some((line, code(line)?)));
    let keys = lines.filter(|(_, code)| !code.starts_with('['));
    keys.map(|(line, code)| {
        let (key, value) = code.split_once(" = ").unwrap();
        let is_plugin = section.title.starts_with("Plugin");
        let shown = match (line.starts_with('#'), is_plugin) {
            // Settings of plugins are shown commented out whether they have a default or not.
            (true, true) | (false, _) => format!("`{}`", cell(value)),
            (true, false) => format!("none; such as `{}`", cell(value)),
        };
        (key.to_owned(), shown)
    })
    .collect()
}

#[test]
fn the_page_of_keys_is_what_the_file_says() {
    let file = read("conf/gateway.toml");
    let mut text = String::new();
    let mut all = 0;

    for section in sections(&file) {
        let keys = keys(&section);
        all += keys.len();
        let _ = writeln!(text, "## {}\n", section.title);
        if !keys.is_empty() {
            let value = if section.title.starts_with("Plugin") { "shown as" } else { "default" };
            let _ = writeln!(text, "| key | {value} |\n|---|---|");
            for (key, default) in keys {
                let _ = writeln!(text, "| `{key}` | {default} |");
            }
            text.push('\n');
        }
        let _ = writeln!(text, "```text\n{}\n```\n", section.text.trim());
    }

    assert!(all > 150, "only {all} keys were found");
    assert_generated("configuration.md", "conf/gateway.toml", &text);
}
