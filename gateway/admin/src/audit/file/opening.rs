//! Opens the audit file for appending.
//!
//! Root may run a command that appends, in a folder of the gateway's user. Whoever owns the folder must not choose by it which file
//! of the machine root creates, changes or gives away: no link is followed, and only what this call created changes its owner.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use kyc_events::AuditError;
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Why the audit file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// An error of the system.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is absent, and must not be created.
    #[error("there is no audit file; the gateway creates it at its start")]
    Absent,
    /// What is there could be another file of the machine.
    #[error("is a link, has several names, or is no regular file")]
    Linked,
    /// Another user put the file there.
    #[error("belongs to user {owner}, not to the owner of its folder: run the command as that user")]
    Foreign {
        /// The id of the user.
        owner: u32,
    },
}

// === impl FileError ===

impl FileError {
    /// Returns the error of the log that is at `path`.
    pub(super) fn at(&self, path: &Path) -> AuditError {
        match self {
            Self::Io(error) if is_full(error) => AuditError::Full,
            Self::Io(_) | Self::Absent | Self::Linked | Self::Foreign { .. } => {
                AuditError::Failed(format!("{}: {self}", path.display()))
            }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Opens the file, which must be there.
///
/// # Errors
///
/// [`FileError`].
pub(super) fn open(path: &Path) -> Result<File, FileError> {
    let file = File::options().read(true).append(true).custom_flags(NO_LINKS).open(path);
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileError::Absent,
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => FileError::Linked,
        _ => FileError::Io(error),
    })?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 {
        return Err(FileError::Linked);
    }
    let caller = rustix::process::geteuid().as_raw();
    let owners = [folder_of(path)?.metadata()?.uid(), caller, ROOT];
    if !owners.contains(&found.uid()) {
        return Err(FileError::Foreign { owner: found.uid() });
    }
    Ok(file)
}

/// Opens the file, or creates it with its folder.
///
/// # Errors
///
/// [`FileError`], but not [`FileError::Absent`], unless somebody else removes the file at the same time.
pub(super) fn open_or_create(path: &Path) -> Result<File, FileError> {
    match open(path) {
        Err(FileError::Absent) => {}
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    if let Some(folder) = named_folder(path) {
        std::fs::create_dir_all(folder)?;
    }
    let created = File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(NO_LINKS)
        .open(path);
    let file = match created {
        Ok(file) => file,
        // Another process was faster, or it is a link to nothing.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return open(path),
        Err(error) => return Err(error.into()),
    };
    let folder = folder_of(path)?;
    let (owner, own) = (folder.metadata()?, file.metadata()?);
    if own.uid() != owner.uid() {
        // A gateway that root starts must not keep one of the folder's owner from appending. Others may not do this, and need not:
        // the gateway's user often has only the right to write the folder.
        let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
    }
    // The directory entry must survive a power loss, too.
    folder.sync_all()?;
    Ok(file)
}

fn folder_of(path: &Path) -> io::Result<File> {
    File::open(named_folder(path).unwrap_or(Path::new(".")))
}

fn named_folder(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

#[expect(clippy::cast_possible_wrap, reason = "the flags of open(2) are an int")]
const NO_LINKS: i32 = OFlags::NOFOLLOW.bits() as i32;
const ROOT: u32 = 0;

#[cfg(test)]
mod tests;
