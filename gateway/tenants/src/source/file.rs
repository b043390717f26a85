//! The tenant document in a local file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use kyc_model::Secret;

use super::write::{WritableSource, WriteError};
use super::{Source, SourceError};

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

/// Does everything of [`replace`] except the replacement.
fn prove(path: &Path, current: &Secret) -> Result<(), WriteError> {
    let place = Place::of(path)?;
    let lock = place.open_folder()?;
    match lock.try_lock() {
        Ok(()) => {
            let written = write_like(&place.fresh, &place.target, current);
            let _ = fs::remove_file(&place.fresh);
            written.map_err(failed(&place.target))
        }
        // Another writer is at work, and its file must not be removed.
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(failed(&place.folder)(error)),
    }
}

/// Where a document is written.
struct Place {
    /// The document. A link is often how a file gets to its place; what it points to is replaced.
    target: PathBuf,
    folder: PathBuf,
    /// The new file. It always has the same name: whoever has the lock replaces what a killed writer left, so that no secret stays
    /// behind.
    fresh: PathBuf,
}

// === impl Place ===

impl Place {
    fn of(path: &Path) -> Result<Self, WriteError> {
        let target = fs::canonicalize(path).map_err(failed(path))?;
        let folder = target.parent().unwrap_or(Path::new("/")).to_owned();
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let fresh = folder.join(format!(".{name}.new"));
        Ok(Self { target, folder, fresh })
    }

    fn open_folder(&self) -> Result<File, WriteError> {
        File::open(&self.folder).map_err(failed(&self.folder))
    }

    /// Opens the folder and locks out other writers of the gateway's own, until the result is closed.
    #[expect(clippy::disallowed_methods, reason = "runs on a thread that may block, not on a worker")]
    fn lock(&self, wait: Duration) -> Result<File, WriteError> {
        let folder = self.open_folder()?;
        let deadline = Instant::now() + wait;
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(folder),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let held =
                        io::Error::new(io::ErrorKind::TimedOut, "another process has the lock of the folder");
                    return Err(failed(&self.folder)(held));
                }
                Err(TryLockError::Error(error)) => return Err(failed(&self.folder)(error)),
            }
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> WriteError + use<> {
    let path = path.to_owned();
    move |source| WriteError::File { path, source }
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
const LOCK_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn file_is_replaced_with_its_permissions_and_only_if_it_is_unchanged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tenants.json");
        fs::write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = directory.path().join("link.json");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::write(directory.path().join(".tenants.json.new"), "of a killed writer").unwrap();
        let mut source = FileSource::new(&link);

        let proved = source.prove_writable(&secret("one")).await;
        let unchanged = fs::read_to_string(&path).unwrap();
        let written = source.replace(&secret("one"), &secret("two")).await;
        let conflict = source.replace(&secret("one"), &secret("three")).await;

        assert!(proved.is_ok(), "{proved:?}");
        assert_eq!(unchanged, "one");
        assert!(written.is_ok(), "{written:?}");
        assert!(matches!(conflict, Err(WriteError::Conflict)), "{conflict:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no other file is left");
    }

    #[tokio::test]
    async fn file_in_a_folder_that_cannot_be_written_stays_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let mut source = FileSource::new(directory.path().join("absent.json"));

        let refused = source.prove_writable(&secret("one")).await.unwrap_err();
        let error = source.replace(&secret("one"), &secret("two")).await.unwrap_err();

        for error in [refused, error] {
            assert!(error.to_string().starts_with("cannot write "), "{error}");
        }
    }

    #[test]
    fn lock_that_another_process_keeps_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tenants.json");
        fs::write(&path, "one").unwrap();
        let place = Place::of(&path).unwrap();
        let held = place.lock(Duration::ZERO).unwrap();

        let error = place.lock(Duration::from_millis(1)).unwrap_err();
        drop(held);

        assert!(
            matches!(&error, WriteError::File { source, .. } if source.kind() == io::ErrorKind::TimedOut)
        );
        assert!(place.lock(Duration::ZERO).is_ok());
    }

    /// Each writer reads, adds its own line, and begins again when another one was faster.
    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_changes_of_a_file_are_all_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tenants.json");
        fs::write(&path, "").unwrap();
        let writers = (0..8).map(|number| {
            let mut source = FileSource::new(&path);
            tokio::spawn(async move {
                let add =
                    |before: &Secret| Ok::<_, io::Error>(secret(&format!("{}{number}\n", before.reveal())));
                crate::source::write::change(&mut source, add).await
            })
        });

        for written in futures::future::join_all(writers).await {
            written.unwrap().unwrap();
        }

        let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, (0..8).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn each_read_returns_the_current_content_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tenants.json");
        let mut source = FileSource::new(&path);

        let absent = source.read().await;
        fs::write(&path, "one").unwrap();
        let first = source.read().await.unwrap();
        fs::write(&path, "two").unwrap();
        let second = source.read().await.unwrap();

        assert_eq!(absent.unwrap_err().to_string(), format!("cannot read {}", path.display()));
        assert_eq!((first.reveal(), second.reveal()), ("one", "two"));
    }
}
