//! The one process that delivers from a store file.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

/// Waits until this is the only process that delivers from the store. The system frees the lock with the process,
/// however that ends. `None` when the shutdown comes first, or the lock cannot be had at all.
pub(crate) async fn lock(store: &Path, shutdown: &mut watch::Receiver<bool>) -> Option<File> {
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
            () = tokio::time::sleep(AGAIN) => {}
            _ = shutdown.changed() => {}
        }
    }
    None
}

/// Takes the lock, if nobody has it.
///
/// # Errors
///
/// [`TryLockError::WouldBlock`] when another process has it, else what the system says.
pub(crate) fn try_lock(store: &Path) -> Result<File, TryLockError> {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).append(true).open(PathBuf::from(name));
    let file = file.map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

const AGAIN: Duration = Duration::from_millis(500);
