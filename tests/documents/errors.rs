//! `error-codes.md`: status, code and message of each kind of problem, from the source.

use std::fmt::Write;

use crate::pages::{assert_generated, cell, read};

/// The kinds with their comments, in the order of their declaration.
fn kinds(code: &str) -> Vec<(String, String)> {
    let declared = code.split("pub enum ProblemKind {").nth(1).unwrap().split("\n}").next().unwrap();
    let mut found = Vec::new();
    let mut comment = String::new();
    for line in declared.lines().map(str::trim) {
        match line.strip_prefix("///") {
            Some(text) => comment.push_str(text),
            None if !line.is_empty() => {
                found.push((line.trim_end_matches(',').to_owned(), cell(&std::mem::take(&mut comment))));
            }
            None => {}
        }
    }
    found
}

/// What a `match` says of a kind; several kinds may share an arm.
fn arm<'a>(code: &'a str, function: &str, kind: &str) -> &'a str {
    let body = code.split(&format!("fn {function}(")).nth(1).unwrap().split("\n}").next().unwrap();
    let arms = body.lines().filter_map(|line| line.split_once(" => "));
    let of_kind = |pattern: &str| pattern.split('|').any(|one| one.trim().rsplit("::").next() == Some(kind));
    let found = arms.into_iter().find(|(pattern, _)| of_kind(pattern));
    found.unwrap_or_else(|| panic!("{function} says nothing of {kind}")).1.trim_matches([',', '"'])
}

#[test]
fn the_page_of_error_codes_is_what_the_source_says() {
    let (problem, rescue) =
        (read("gateway/model/src/problem.rs"), read("gateway/proxy/src/response/error_response.rs"));
    let mut rows: Vec<(String, String)> = Vec::new();
    for (kind, meaning) in kinds(&problem) {
        let status = arm(&rescue, "status", &kind);
        let (code, message) = (arm(&problem, "code", &kind), arm(&rescue, "message", &kind));
        rows.push((status.to_owned(), format!("| {status} | `{code}` | {message} | {meaning} |")));
    }
    rows.sort();

    let mut text = "| status | `type` | message | meaning |\n|---|---|---|---|\n".to_owned();
    for (_, row) in &rows {
        let _ = writeln!(text, "{row}");
    }
    assert!(rows.len() >= 18, "{} kinds", rows.len());
    assert_generated("error-codes.md", "the source", &text);
}
