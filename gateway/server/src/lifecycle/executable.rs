//! The program that this process runs, as a path that leads to the next version, too.
//!
//! `argv[0]` is what the parent process called it, often without a folder: looked up in `PATH`, it can be another program.
//! /proc/self/exe is the right one, but only until somebody replaces the file: then it names a file that was deleted. So
//! the path is found at start.

use std::ffi::OsStr;
use std::fs::metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

/// Finds the absolute path of the program, to be called at start.
///
/// # Errors
///
/// There is no /proc, or the file is gone already.
pub(crate) fn path() -> io::Result<PathBuf> {
    let running = std::env::current_exe()?;
    let called = std::env::args_os().next();
    choose(called.as_deref(), &running)
}

/// The path that it was called by, where that leads to the running file: a link in it may be turned to another version.
/// Else the running file's own.
fn choose(called: Option<&OsStr>, running: &Path) -> io::Result<PathBuf> {
    let inode = |path: &Path| metadata(path).map(|found| (found.dev(), found.ino()));
    let own = inode(running)?;
    // Without a folder it was found in `PATH`.
    let called = called.map(Path::new).filter(|called| called.components().count() > 1);
    if let Some(called) = called.and_then(|called| absolute(called).ok())
        && inode(&called).is_ok_and(|found| found == own)
    {
        return Ok(called);
    }
    absolute(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_file_is_meant_however_it_was_called() {
        let folder = tempfile::tempdir().unwrap();
        let (version, other) = (folder.path().join("kyc-gateway-1"), folder.path().join("other"));
        std::fs::write(&version, "the program").unwrap();
        std::fs::write(&other, "another program").unwrap();
        let link = folder.path().join("kyc-gateway");
        std::os::unix::fs::symlink(&version, &link).unwrap();
        let gone = folder.path().join("gone");

        for (called, expected) in [
            (Some("kyc-gateway".as_ref()), &version),
            (Some("".as_ref()), &version),
            (None, &version),
            (Some(other.as_os_str()), &version),
            (Some(gone.as_os_str()), &version),
            (Some(version.as_os_str()), &version),
            // Turned to another version, it leads there.
            (Some(link.as_os_str()), &link),
        ] {
            assert_eq!(choose(called, &version).unwrap(), *expected, "{called:?}");
        }
        assert!(choose(None, &gone).is_err());
        assert!(path().unwrap().is_absolute());
    }
}
