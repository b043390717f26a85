//! `spans.md`, from the source.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::pages::assert_generated;
use crate::source;

/// The texts that calls of a method or function begin with: `set("name"`.
fn named<'a>(code: &'a str, call: &'a str) -> impl Iterator<Item = &'a str> {
    code.split(call).skip(1).filter_map(|rest| rest.split('"').next())
}

#[test]
fn the_page_of_spans_is_what_the_source_says() {
    let mut begun = Vec::new();
    let mut attributes: BTreeSet<(String, String)> = BTreeSet::new();
    for file in source::files() {
        for (kind, call) in [("server", "Span::server(\""), ("client", "Span::client(\"")] {
            begun.extend(
                named(&file.code, call).map(|name| format!("| `{name}` | {kind} | `{}` |", file.path)),
            );
        }
        for name in named(&file.code, "span.set(\"") {
            attributes.insert((name.to_owned(), file.path.clone()));
        }
    }
    let mut text = format!("## Spans\n\n| name | kind | begun in |\n|---|---|---|\n{}\n", begun.join("\n"));
    let _ = writeln!(text, "\n## Attributes\n\n| attribute | set in |\n|---|---|");
    for (name, path) in &attributes {
        let _ = writeln!(text, "| `{name}` | `{path}` |");
    }

    assert_eq!(begun.len(), 4, "request, upstream, login, delivery");
    assert_generated("spans.md", "the source", &text);
}
