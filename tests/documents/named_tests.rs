//! The tests that pages name as proofs are there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::pages::{read, root};

/// The pages whose tables name tests in their last column.
const PAGES: [&str; 2] = ["docs/reference/guarantees.md", "docs/development/pingora.md"];

/// The tests that a page names: `file::function`, `crate: function`, with `…` for the end of a long name and `*` for all of a
/// file.
fn named(page: &str) -> Vec<String> {
    let text = read(page);
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit('|').next());
    let pieces = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    pieces.filter(|piece| piece.contains("::") || piece.contains(": ")).map(str::to_owned).collect()
}

/// Says whether a test of that name is in the source.
fn is_there(name: &str, code: &str) -> bool {
    let (path, function) = name.rsplit_once("::").or_else(|| name.split_once(": ")).unwrap();
    match (function, function.strip_suffix('…')) {
        ("*", _) => {
            let folders = fs::read_dir(root().join("tests/e2e")).unwrap();
            folders.flatten().any(|folder| folder.path().join(format!("{path}.rs")).exists())
        }
        (_, Some(begin)) => code.contains(&format!("fn {begin}")),
        (function, None) => code.contains(&format!("fn {function}(")),
    }
}

fn code(folder: &Path) -> String {
    let mut text = String::new();
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

#[test]
fn tests_that_pages_name_are_there() {
    let code: String =
        ["gateway", "plugins", "tests"].iter().map(|folder| code(&root().join(folder))).collect();

    for page in PAGES {
        let names = named(page);
        let missing: Vec<&String> = names.iter().filter(|name| !is_there(name, &code)).collect();
        assert!(names.len() >= 15, "{page} names {} tests", names.len());
        assert_eq!(missing, Vec::<&String>::new(), "{page}");
    }
    assert!(!is_there("durable::no_such_test", &code));
}
