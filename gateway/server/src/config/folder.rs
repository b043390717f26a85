//! The folder of the configuration file, which relative paths in it are relative to.

use std::path::{Path, PathBuf};

/// The folder of the configuration file. Relative paths in the file are relative to it, not to the working directory.
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

    /// Resolves a path of the configuration. An absolute path stays as it is.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.0.join(path)
    }
}
