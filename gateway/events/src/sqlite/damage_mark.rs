//! The mark of a damaged store: the file `.damaged` next to it. A check or the writer creates it when it finds damage.

use std::fs::remove_file;
use std::path::Path;

use crate::OpenError;
use crate::paths::{DAMAGED, path_with_suffix};

/// Returns whether the file is marked as damaged.
pub(super) fn is_marked(path: &Path) -> bool {
    path_with_suffix(path, DAMAGED).exists()
}

/// Removes the mark, after a check has found no damage.
pub(super) fn unmark(path: &Path) -> Result<(), OpenError> {
    let mark = path_with_suffix(path, DAMAGED);
    remove_file(&mark).map_err(|error| OpenError::Folder { path: mark, reason: error.to_string() })
}
