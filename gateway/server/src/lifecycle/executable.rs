//! The path of the running executable, which a hot upgrade starts.
//!
//! The path is resolved at start. `argv[0]` often has no directory, and a search in `PATH` could find another program.
//! /proc/self/exe names a deleted file after an upgrade has replaced the executable.

use std::ffi::OsStr;
use std::fs::metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

/// Resolves the absolute path of the executable. Must be called at start, before the file can be replaced.
///
/// # Errors
///
/// When /proc is not mounted, or when the file was already deleted.
pub(crate) fn path() -> io::Result<PathBuf> {
    let running = std::env::current_exe()?;
    let called = std::env::args_os().next();
    choose(called.as_deref(), &running)
}

/// Returns the path from the command line if it leads to the running file, because an upgrade can change a symbolic link in it to
/// the new version. Otherwise returns the path of the running file.
fn choose(called: Option<&OsStr>, running: &Path) -> io::Result<PathBuf> {
    let inode = |path: &Path| metadata(path).map(|found| (found.dev(), found.ino()));
    let own = inode(running)?;
    // A name without a directory was found in `PATH`, so it is not a path.
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
    fn chosen_path_leads_to_the_running_file() {
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
            // An upgrade can change this link to the new version.
            (Some(link.as_os_str()), &link),
        ] {
            assert_eq!(choose(called, &version).unwrap(), *expected, "{called:?}");
        }
        assert!(choose(None, &gone).is_err());
        assert!(path().unwrap().is_absolute());
    }
}
