//! The paths of the files of a SQLite store: each is the store's path with a suffix.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the store's path with a suffix appended, such as `events.db-wal`.
pub fn path_with_suffix(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Creates the parent folders of a file.
pub(crate) fn make_folder(file: &Path) -> io::Result<()> {
    folder(file).map_or(Ok(()), std::fs::create_dir_all)
}

/// Calls `fsync` on the parent folder of a file. Without it a crash can undo the creation or the renaming of a file,
/// although its content was synced (fsync(2)).
///
/// # Errors
///
/// The error of opening or syncing the folder.
pub fn sync_parent_folder(file: &Path) -> io::Result<()> {
    File::open(folder(file).unwrap_or(Path::new(".")))?.sync_all()
}

fn folder(file: &Path) -> Option<&Path> {
    file.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// Returns the length of a file in bytes; 0 when it does not exist.
pub(crate) fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

/// The suffix of SQLite's write-ahead log.
pub(crate) const WAL: &str = "-wal";
/// The suffix of the file that marks a store as damaged and holds the reason.
pub(crate) const DAMAGED: &str = ".damaged";
/// The suffix under which a new store is created, until it is complete and renamed.
pub(crate) const DRAFT: &str = ".new";
/// The suffix of the key that is generated together with a store.
pub(crate) const KEY: &str = ".key";
/// The suffix of a store that was copied into a database and must not be used again.
pub const COPIED: &str = ".copied";
