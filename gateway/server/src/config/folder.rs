//! The folder that relative paths of a configuration count from.

use std::path::{Path, PathBuf};

/// The folder of the configuration file, from which relative paths in it count.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

// === impl Folder ===

impl Folder {
    pub(super) fn of(file: &Path) -> Self {
        Self(file.parent().map(Path::to_owned).unwrap_or_default())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where a path of the configuration leads.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.0.join(path)
    }
}
