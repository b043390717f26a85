//! The pages, and how a generated part is compared.

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown file, by its path from the root of the repository.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// README.md, the other pages at the root, and all below docs, by path.
pub(crate) fn all() -> Vec<Page> {
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        .into_iter()
        .map(PathBuf::from)
        .collect();
    let mut open = vec![PathBuf::from("docs")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 40, "only {} pages were found", found.len());
    found.into_iter().map(|path| Page { text: read(&path), path }).collect()
}

/// The lines of a page outside of code blocks, with their numbers.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

/// Compares what stands behind the marker in a page with what its source says.
pub(crate) fn assert_generated(page: &str, source: &str, expected: &str) {
    let path = Path::new("docs/reference").join(page);
    let text = read(&path);
    let marker = format!("<!-- From here on generated from {source}: see docs/development/testing.md -->\n");
    let Some((written, found)) = text.split_once(&marker) else {
        panic!("{} has no line {marker}", path.display());
    };
    let expected = format!("\n{}\n", expected.trim());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(root().join(&path), format!("{written}{marker}{expected}")).unwrap();
        return;
    }
    let different = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{} is stale, write it anew with UPDATE_GOLDEN=1; first difference: {different:#?}",
        path.display()
    );
}

/// A text in a cell of a table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
