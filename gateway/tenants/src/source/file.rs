//! The tenant document in a local file.

mod place;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use kyc_model::Secret;

use super::write::{WritableSource, WriteError};
use super::{Source, SourceError};
use place::{Place, failed};

/// Reads the document from a file, whole at each poll.
#[derive(Clone, Debug)]
pub struct FileSource {
    path: PathBuf,
}

// === impl FileSource ===

impl FileSource {
    /// Builds the source; only [`Source::read`] opens the file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[async_trait]
impl Source for FileSource {
    async fn read(&mut self) -> Result<Secret, SourceError> {
        match tokio::fs::read_to_string(&self.path).await {
            Ok(text) => Ok(Secret::new(text)),
            Err(source) => Err(SourceError::Unreadable { path: self.path.clone(), source }),
        }
    }

    fn describe(&self) -> String {
        format!("file {}", self.path.display())
    }
}

#[async_trait]
impl WritableSource for FileSource {
    async fn replace(&mut self, before: &Secret, after: &Secret) -> Result<(), WriteError> {
        let (path, before, after) = (self.path.clone(), before.clone(), after.clone());
        let written = tokio::task::spawn_blocking(move || replace(&path, &before, &after));
        let panicked = |error| WriteError::File { path: self.path.clone(), source: io::Error::other(error) };
        written.await.map_err(panicked)?
    }

    async fn prove_writable(&mut self, current: &Secret) -> Result<(), WriteError> {
        let (path, current) = (self.path.clone(), current.clone());
        let proved = tokio::task::spawn_blocking(move || prove(&path, &current));
        let panicked = |error| WriteError::File { path: self.path.clone(), source: io::Error::other(error) };
        proved.await.map_err(panicked)?
    }
}

/// Replaces the file as a whole: a reader sees the old document or the new one, and a crash leaves one of both.
fn replace(path: &Path, before: &Secret, after: &Secret) -> Result<(), WriteError> {
    let place = Place::of(path)?;
    let lock = place.lock(LOCK_WAIT)?;
    let current = fs::read_to_string(&place.target).map_err(failed(&place.target))?;
    if current != before.reveal() {
        return Err(WriteError::Conflict);
    }
    let written =
        write_like(&place.fresh, &place.target, after).and_then(|()| fs::rename(&place.fresh, &place.target));
    if written.is_err() {
        let _ = fs::remove_file(&place.fresh);
    }
    written.map_err(failed(&place.target))?;
    // The new name is durable only with its folder.
    lock.sync_all().map_err(failed(&place.folder))
}

/// Does everything of [`replace`] except the replacement. The caller changes other systems next, so that a lock that is held is an
/// error here already.
fn prove(path: &Path, current: &Secret) -> Result<(), WriteError> {
    let place = Place::of(path)?;
    let lock = place.lock(LOCK_WAIT)?;
    let written = write_like(&place.fresh, &place.target, current);
    let _ = fs::remove_file(&place.fresh);
    // Not before: the new file is another writer's without the lock.
    drop(lock);
    written.map_err(failed(&place.target))
}

/// Writes a new file with the owner and the permissions of another one.
fn write_like(fresh: &Path, model: &Path, text: &Secret) -> io::Result<()> {
    let metadata = fs::metadata(model)?;
    // Left by a process that was killed.
    let _ = fs::remove_file(fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(fresh)?;
    let (uid, gid) = (metadata.uid(), metadata.gid());
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (uid, gid) {
        // Not by the path, which may be another file by now.
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.set_permissions(metadata.permissions())?;
    file.write_all(text.reveal().as_bytes())?;
    file.sync_all()
}

/// A writer holds the lock for milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
