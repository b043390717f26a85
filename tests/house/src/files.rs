//! Reads files, and names them in errors.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why the workspace was not read.
#[derive(Debug)]
pub struct Unreadable(pub String);

// === impl Unreadable ===

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

/// A file's text.
pub(crate) fn read(file: &Path) -> Result<String, Unreadable> {
    std::fs::read_to_string(file).map_err(|error| Unreadable(format!("{}: {error}", file.display())))
}

/// The files of Rust below a folder, those below `target` apart.
///
/// # Errors
///
/// A folder cannot be read.
pub fn sources(folder: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| Unreadable(format!("{}: {error}", folder.display())))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
