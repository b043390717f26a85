//! Measurements say of which commit they are.

use crate::pages::{cell, prose, read};

/// A section of the page with figures names a commit: seven digits of its hash, in a piece of code.
#[test]
fn every_section_of_measurements_names_a_commit() {
    let text = read("docs/reference/measurements.md");
    let mut sections: Vec<(String, String)> = Vec::new();
    for (_, line) in prose(&text) {
        match (line.strip_prefix("## "), sections.last_mut()) {
            (Some(title), _) => sections.push((cell(title), String::new())),
            (None, Some((_, body))) => body.push_str(line),
            (None, None) => {}
        }
    }

    let is_commit = |code: &str| code.len() == 7 && code.chars().all(|c| c.is_ascii_hexdigit());
    let without: Vec<&String> = sections
        .iter()
        .filter(|(_, body)| !body.split('`').skip(1).step_by(2).any(is_commit))
        .map(|(title, _)| title)
        .collect();
    assert!(sections.len() >= 5, "{} sections", sections.len());
    assert_eq!(without, Vec::<&String>::new());
}
