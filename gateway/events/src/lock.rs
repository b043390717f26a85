//! Locks on a SQLite store, so that two processes never deliver from one file.
//!
//! There are two lock files. `.use` is shared by all processes that have the store open; `events copy` locks it exclusively,
//! so that nothing is stored in a file that is being moved. `.lock` is exclusive to the process that delivers: a second
//! gateway on the file, as during an upgrade, stores notifications and waits for it. Both are `flock` locks, which the
//! kernel releases when the process ends, even after `kill -9`.

use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::paths::{COPIED, make_folder, path_with_suffix};

/// Waits until no other process delivers from the store, and holds the delivery lock until the returned file is closed.
/// Returns `None` when the shutdown comes first.
pub async fn lock_for_delivery(store: &Path, shutdown: &mut watch::Receiver<bool>) -> Option<File> {
    let mut has_warned = false;
    while !*shutdown.borrow() {
        match try_lock(store) {
            Ok(file) => return Some(file),
            Err(TryLockError::WouldBlock) if has_warned => {}
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(
                    store = %store.display(),
                    "another process delivers from this event store; waiting until it ends"
                );
                has_warned = true;
            }
            Err(TryLockError::Error(error)) => {
                tracing::error!(store = %store.display(), %error, "cannot lock the event store; no event is delivered");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY_INTERVAL) => {}
            _ = shutdown.changed() => {}
        }
    }
    None
}

fn try_lock(store: &Path) -> Result<File, TryLockError> {
    let file = open(&path_with_suffix(store, DELIVERY_LOCK)).map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

/// Takes the shared lock of a process that has the store open. It is held until the returned file is closed.
///
/// # Errors
///
/// [`TryLockError::WouldBlock`] while `events copy` moves the store, [`TryLockError::Error`] when the lock file cannot be
/// opened.
pub fn lock_shared(store: &Path) -> Result<File, TryLockError> {
    let file = open(&path_with_suffix(store, SHARED_LOCK)).map_err(TryLockError::Error)?;
    file.try_lock_shared()?;
    Ok(file)
}

/// Takes both locks, so that no other process opens the store. They are held until the returned files are closed.
///
/// # Errors
///
/// [`TryLockError::WouldBlock`] while a process has the store open, [`TryLockError::Error`] when a lock file cannot be
/// opened.
pub fn lock_exclusive(store: &Path) -> Result<[File; 2], TryLockError> {
    let file = open(&path_with_suffix(store, SHARED_LOCK)).map_err(TryLockError::Error)?;
    file.try_lock()?;
    // Gateways of the first release take only the delivery lock.
    Ok([file, try_lock(store)?])
}

/// Finds a file that shows that a missing store existed: its renamed copy, its write-ahead log or its lock file.
pub(crate) fn find_leftover(store: &Path) -> Option<PathBuf> {
    [COPIED, "-wal", DELIVERY_LOCK]
        .into_iter()
        .map(|end| path_with_suffix(store, end))
        .find(|path| path.exists())
}

fn open(path: &Path) -> std::io::Result<File> {
    make_folder(path)?;
    // Every user who can open a lock file can lock it and so stop deliveries: only the owner may.
    let file = File::options().create(true).append(true).mode(0o600).open(path)?;
    // Older releases created it readable for everybody.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        // The file of another user cannot be changed, but it can be locked.
        let _ = file.set_permissions(Permissions::from_mode(0o600));
    }
    Ok(file)
}

/// The file name suffix of the delivery lock, held by the one process that delivers.
const DELIVERY_LOCK: &str = ".lock";
/// The file name suffix of the shared lock, held by every process that has the store open.
const SHARED_LOCK: &str = ".use";
/// Pause before another attempt to take the delivery lock.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_can_open_lock_files() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("events.db");
        std::fs::write(path_with_suffix(&store, SHARED_LOCK), "").unwrap();
        std::fs::set_permissions(path_with_suffix(&store, SHARED_LOCK), Permissions::from_mode(0o644))
            .unwrap();

        let held = lock_exclusive(&store).unwrap();

        for file in &held {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
