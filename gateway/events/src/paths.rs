//! Where a store's files are.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The path of something that belongs to a store.
pub fn beside(store: &Path, end: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Makes the folder of a file, if it has one of its own.
pub(crate) fn make_folder(file: &Path) -> io::Result<()> {
    folder(file).map_or(Ok(()), std::fs::create_dir_all)
}

/// Makes a file's name as durable as its content.
pub fn sync_name(file: &Path) -> io::Result<()> {
    File::open(folder(file).unwrap_or(Path::new(".")))?.sync_all()
}

fn folder(file: &Path) -> Option<&Path> {
    file.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// The length of a file; 0 when there is none.
pub(crate) fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

/// SQLite's write-ahead log.
pub(crate) const WAL: &str = "-wal";
/// Says that a store was found damaged, and why.
pub(crate) const DAMAGED: &str = ".damaged";
/// Where a new store is made.
pub(crate) const DRAFT: &str = ".new";
/// The key that is made together with a store.
pub(crate) const KEY: &str = ".key";
/// A store that was moved into a database.
pub const MOVED: &str = ".copied";
