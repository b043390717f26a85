//! The place of a document: its file, the file that replaces it, and the lock of their folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, major, minor, statx};

use crate::source::write::WriteError;

/// Where a document is written.
pub(super) struct Place {
    /// The document. A link is often how a file gets to its place; what it points to is replaced.
    pub(super) target: PathBuf,
    pub(super) folder: PathBuf,
    /// The new file. It always has the same name: whoever has the lock replaces what a killed writer left, so that no secret stays
    /// behind.
    pub(super) fresh: PathBuf,
}

// === impl Place ===

impl Place {
    /// Finds the place of a document.
    ///
    /// # Errors
    ///
    /// [`WriteError::MountPoint`] if the file cannot be replaced because it is mounted; [`WriteError::File`] if there is none.
    pub(super) fn of(path: &Path) -> Result<Self, WriteError> {
        let target = fs::canonicalize(path).map_err(failed(path))?;
        if is_mount_point(&target) {
            return Err(WriteError::MountPoint { path: target });
        }
        let folder = target.parent().unwrap_or(Path::new("/")).to_owned();
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let fresh = folder.join(format!(".{name}.new"));
        Ok(Self { target, folder, fresh })
    }

    fn open_folder(&self) -> Result<File, WriteError> {
        File::open(&self.folder).map_err(failed(&self.folder))
    }

    /// Opens the folder and locks out other writers of the gateway's own, until the result is closed.
    ///
    /// # Errors
    ///
    /// [`WriteError::Locked`] if another writer has the lock after `wait`.
    #[expect(clippy::disallowed_methods, reason = "runs on a thread that may block, not on a worker")]
    pub(super) fn lock(&self, wait: Duration) -> Result<File, WriteError> {
        let folder = self.open_folder()?;
        let deadline = Instant::now() + wait;
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(folder),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let holder = holder(&folder).unwrap_or_else(|| "another process".to_owned());
                    return Err(WriteError::Locked {
                        path: self.target.clone(),
                        folder: self.folder.clone(),
                        holder,
                    });
                }
                Err(TryLockError::Error(error)) => return Err(failed(&self.folder)(error)),
            }
        }
    }
}

/// Returns whether something is mounted at this path. A bind mount of the same file system has the device of its folder, so that
/// only the kernel's own flag tells (`STATX_ATTR_MOUNT_ROOT`, Linux 5.8), or else the list of mounts.
fn is_mount_point(path: &Path) -> bool {
    match statx(CWD, path, AtFlags::empty(), StatxFlags::empty()) {
        Ok(found) if found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        }
        Ok(_) | Err(_) => fs::read("/proc/self/mountinfo").is_ok_and(|mounts| is_listed(&mounts, path)),
    }
}

/// Returns whether the path is a mount point of the list. The format is in `proc_pid_mountinfo(5)`: the fifth field, with white space
/// and `\` as octal numbers.
fn is_listed(mounts: &[u8], path: &Path) -> bool {
    let escape = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        _ => vec![*byte],
    };
    let path: Vec<u8> = path.as_os_str().as_bytes().iter().flat_map(escape).collect();
    mounts.split(|byte| *byte == b'\n').any(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        fields.nth(MOUNT_POINT) == Some(path.as_slice())
    })
}

/// Names the process that has the lock of a file, if the kernel shows it: another user or container may have it.
fn holder(file: &File) -> Option<String> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let found = file.metadata().ok()?;
    let pid = pid_of(&locks, found.dev(), found.ino())?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    // The name may be anything that the process has chosen.
    let name = name.map(|name| name.trim().escape_debug().to_string());
    Some(name.map_or_else(|| format!("process {pid}"), |name| format!("process {pid} ({name})")))
}

/// Returns the process that has a lock of `flock` on this file. The format is in `proc_locks(5)`. Inodes of other file systems have the
/// same numbers, so the device is compared, too: file systems in layers may show another one there, and then nobody is named, which
/// is better than a wrong process.
fn pid_of(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let wanted = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        // A waiting process has `->` as its second word.
        let [_, "FLOCK", _, _, pid, file, ..] = words[..] else { return None };
        // 0 is a process of another namespace.
        if file == wanted { pid.parse().ok().filter(|pid| *pid > 0) } else { None }
    })
}

/// The error of a file or folder.
pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> WriteError + use<> {
    let path = path.to_owned();
    move |source| WriteError::File { path, source }
}

/// The place of the mount point in a line of the list of mounts.
const MOUNT_POINT: usize = 4;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use rustix::fs::makedev;

    use super::*;

    #[test]
    fn lock_that_another_process_keeps_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tenants.json");
        fs::write(&path, "one").unwrap();
        let place = Place::of(&path).unwrap();
        let held = place.lock(Duration::ZERO).unwrap();

        let error = place.lock(Duration::from_millis(1)).unwrap_err().to_string();
        drop(held);

        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.contains("tenants.json") && error.contains("run this command again"), "{error}");
        assert!(place.lock(Duration::ZERO).is_ok());
    }

    #[test]
    fn holder_is_the_process_that_has_the_lock_and_none_that_waits() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 00:2f:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 12 00:2f:78 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 15 103:02:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 00:2f:77 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 14 00:2f:77 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 0 00:2f:79 0 EOF\n";

        let holders = [77, 78, 79, 80].map(|inode| pid_of(locks, makedev(0, 0x2f), inode));
        let of_the_same_number = pid_of(locks, makedev(0x103, 2), 77);

        assert_eq!(holders, [Some(13), Some(12), None, None]);
        assert_eq!(of_the_same_number, Some(15));
    }

    /// Kernels before Linux 5.8 have no flag for it.
    #[test]
    fn mount_points_of_the_list_are_found_by_their_escaped_path() {
        let mounts = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n\
                       37 36 98:0 /etc/a /run/the\\040tenants.json rw - ext3 /dev/root rw\n";

        let found =
            ["/mnt2", "/mnt1", "/run/the tenants.json", "/run"].map(|path| is_listed(mounts, path.as_ref()));

        assert_eq!(found, [true, false, true, false]);
    }

    #[test]
    fn only_what_is_mounted_is_a_mount_point() {
        let directory = tempfile::tempdir().unwrap();

        let found = ["/proc".as_ref(), directory.path()].map(is_mount_point);

        assert_eq!(found, [true, false]);
    }
}
