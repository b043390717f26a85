//! Checks the command lines in the documentation against the program. `UPDATE_GOLDEN=1` regenerates the page of commands.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use super::*;

/// The Markdown files at the root and below docs, without the decision records, which are not updated.
fn pages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].iter().map(|name| repository().join(name)).collect();
    let mut open = vec![repository().join("docs")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("adr") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// A command line on a page.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// A complete command line in a code block.
    Line(String),
    /// Inline code, which may be only the name of a command: `kyc-gateway events replay`.
    Name(String),
}

// === impl Found ===

impl Found {
    fn text(&self) -> &str {
        let (Self::Line(text) | Self::Name(text)) = self;
        text
    }

    /// The error of the program for it, if any.
    fn refusal(&self) -> Option<clap::Error> {
        let error = Arguments::try_parse_from(words(self.text())).err()?;
        let lacks_arguments = matches!(
            error.kind(),
            ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
        match self {
            Self::Line(_) | Self::Name(_) if error.kind() == ErrorKind::DisplayVersion => None,
            Self::Name(_) if lacks_arguments => None,
            Self::Line(_) | Self::Name(_) => Some(error),
        }
    }
}

/// The command lines of a page.
fn command_lines(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let (mut is_code, mut continued) = (false, String::new());
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            continued.push_str(line.trim());
            match continued.strip_suffix('\\').map(str::to_owned) {
                Some(begun) => continued = begun,
                None => found.push(Found::Line(std::mem::take(&mut continued))),
            }
        } else {
            let pieces = line.split('`').skip(1).step_by(2);
            found.extend(pieces.map(|piece| Found::Name(piece.to_owned())));
        }
    }
    found.retain(|found| {
        let line = found.text();
        let program = line.split(' ').next().unwrap_or_default();
        let is_called = program == "kyc-gateway" || program.ends_with("/kyc-gateway");
        // The name of the program alone is not a command line.
        is_called && line.contains(' ') && !line.contains('…')
    });
    found
}

/// Splits a line into words like a shell, up to a comment.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), String::new(), None);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), character) if open == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '#') if word.is_empty() => break,
            (None, ' ') => found.push(std::mem::take(&mut word)),
            (_, character) => word.push(character),
        }
    }
    found.push(word);
    found.retain(|word| !word.is_empty());
    found
}

#[test]
fn documented_command_lines_are_accepted() {
    let (mut checked, mut refused) = (0, Vec::new());
    for page in pages() {
        for line in command_lines(&fs::read_to_string(&page).unwrap()) {
            checked += 1;
            if let Some(error) = line.refusal() {
                refused.push(format!("{}: {}\n{error}", page.display(), line.text()));
            }
        }
    }

    assert!(checked >= 40, "only {checked} command lines were found");
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn command_lines_are_found_and_split_like_a_shell() {
    let page = "Say `kyc-gateway tenants …`, or `kyc-gateway events replay`.\n```\ntarget/debug/kyc-gateway events \\\n  \
                list --for \"a b\" # all\nls\n```\n";

    let found = command_lines(page);

    let name = Found::Name("kyc-gateway events replay".to_owned());
    let line = Found::Line("target/debug/kyc-gateway events list --for \"a b\" # all".to_owned());
    assert_eq!(found, [name, line]);
    assert_eq!(words(found[1].text())[1..], ["events", "list", "--for", "a b"]);
    assert!(found.iter().all(|found| found.refusal().is_none()));
    for wrong in [
        Found::Name("kyc-gateway events repeat".to_owned()),
        Found::Name("kyc-gateway events list --no-such-option".to_owned()),
        Found::Line("kyc-gateway events replay --tenant acme".to_owned()),
    ] {
        assert!(wrong.refusal().is_some(), "{wrong:?}");
    }
}

/// Writes the help of each command without subcommands.
fn describe(command: &clap::Command, path: &str, text: &mut String) {
    let name = format!("{path} {}", command.get_name()).trim().to_owned();
    let below = command.get_subcommands();
    let mut below = below.filter(|below| below.get_name() != "help" && !below.is_hide_set()).peekable();
    if below.peek().is_none() {
        let mut command = command.clone().bin_name(&name).term_width(100);
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = writeln!(text, "\n## {name}\n\n```text\n{}\n```", lines.join("\n").trim());
    }
    below.for_each(|below| describe(below, &name, text));
}

#[test]
fn golden_page_of_commands_matches_the_help_texts() {
    let path = repository().join("docs/reference/command-line.md");
    let page = fs::read_to_string(&path).unwrap();
    let marker = "<!-- From here on generated from the command line: see docs/development/testing.md -->\n";
    let (written, found) = page.split_once(marker).unwrap();
    let mut expected = String::new();

    describe(&Arguments::command(), "", &mut expected);

    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{written}{marker}{expected}")).unwrap();
        return;
    }
    assert!(expected.matches("\n## ").count() >= 15, "{expected}");
    assert!(found == expected, "{} is stale, regenerate it with UPDATE_GOLDEN=1", path.display());
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
