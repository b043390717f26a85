//! The path of the running executable, which a hot upgrade starts again.
//!
//! `argv[0]` comes from the parent process and often has no directory; looked up in `PATH`, it can be another program.
//! /proc/self/exe is right only until the file is replaced, and then names a deleted file. So the path is resolved at start.

use std::ffi::OsStr;
use std::fs::metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

/// Resolves the absolute path of the executable. Call it at start.
///
/// # Errors
///
/// /proc is not mounted, or the file was deleted already.
pub(crate) fn path() -> io::Result<PathBuf> {
    let running = std::env::current_exe()?;
    let called = std::env::args_os().next();
    choose(called.as_deref(), &running)
}

/// The path from the command line if it leads to the running file, because a symbolic link in it can later point to a new
/// version; otherwise the path of the running file.
fn choose(called: Option<&OsStr>, running: &Path) -> io::Result<PathBuf> {
    let inode = |path: &Path| metadata(path).map(|found| (found.dev(), found.ino()));
    let own = inode(running)?;
    // Without a directory it was found in `PATH`.
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
