//! Which processes may do what with a store file. The system frees their locks with them, however they end.

use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::paths::{MOVED, beside, make_folder};

/// Waits until this is the only process that delivers from the store. The system frees the lock with the process,
/// however that ends. `None` when the shutdown comes first.
pub async fn lock(store: &Path, shutdown: &mut watch::Receiver<bool>) -> Option<File> {
    let mut told = false;
    while !*shutdown.borrow() {
        match try_lock(store) {
            Ok(file) => return Some(file),
            Err(TryLockError::WouldBlock) if told => {}
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(store = %store.display(), "another process delivers from this store; waiting for it");
                told = true;
            }
            Err(TryLockError::Error(error)) => {
                tracing::error!(store = %store.display(), %error, "the store cannot be locked, so nothing is delivered");
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
    let file = open(&beside(store, DISPATCH)).map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

/// Says, for as long as the returned file is open, that this process writes to the store or reads it.
///
/// # Errors
///
/// [`TryLockError::WouldBlock`] while the store is being moved away, else what the system says.
pub fn in_use(store: &Path) -> Result<File, TryLockError> {
    let file = open(&beside(store, USE)).map_err(TryLockError::Error)?;
    file.try_lock_shared()?;
    Ok(file)
}

/// Keeps every other process out of the store.
///
/// # Errors
///
/// [`TryLockError::WouldBlock`] while a process uses it, else what the system says.
pub fn alone(store: &Path) -> Result<[File; 2], TryLockError> {
    let file = open(&beside(store, USE)).map_err(TryLockError::Error)?;
    file.try_lock()?;
    // Gateways of the first release know this one only.
    Ok([file, try_lock(store)?])
}

/// What is there although the store is not, and shows that there was one.
pub(crate) fn trace_of(store: &Path) -> Option<PathBuf> {
    [MOVED, "-wal", DISPATCH].into_iter().map(|end| beside(store, end)).find(|path| path.exists())
}

fn open(path: &Path) -> std::io::Result<File> {
    make_folder(path)?;
    // Whoever may open it can lock it, and so keep the gateway from delivering.
    let file = File::options().create(true).append(true).mode(0o600).open(path)?;
    // One that an older release has made is open to all.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        // Another user's file can be locked as it is.
        let _ = file.set_permissions(Permissions::from_mode(0o600));
    }
    Ok(file)
}

/// Held by the one process that delivers.
const DISPATCH: &str = ".lock";
/// Held together by all processes that have the store open.
const USE: &str = ".use";
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("events.db");
        std::fs::write(beside(&store, USE), "").unwrap();
        std::fs::set_permissions(beside(&store, USE), Permissions::from_mode(0o644)).unwrap();

        let held = alone(&store).unwrap();

        for file in &held {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
