//! The note beside a file that it was found damaged.

use std::fs::remove_file;
use std::path::Path;

use crate::OpenError;
use crate::paths::{DAMAGED, beside};

/// Says whether a check, or the writer, has found the file damaged.
pub(super) fn is_marked(path: &Path) -> bool {
    beside(path, DAMAGED).exists()
}

/// Notes that a file that was damaged is not any more.
pub(super) fn unmark(path: &Path) -> Result<(), OpenError> {
    let mark = beside(path, DAMAGED);
    remove_file(&mark).map_err(|error| OpenError::Folder { path: mark, reason: error.to_string() })
}
