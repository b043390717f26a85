//! Changes the document at its source without losing what another writer changes at the same time.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use kyc_model::Secret;

use super::{Source, SourceError};

/// A source whose document can be changed.
#[async_trait]
pub trait WritableSource: Source {
    /// Replaces the document `before`, which was read last, with `after`.
    ///
    /// # Errors
    ///
    /// [`WriteError::Conflict`] when another writer has changed the document since; then nothing is written.
    async fn replace(&mut self, before: &Secret, after: &Secret) -> Result<(), WriteError>;

    /// Finds out whether this process may write the document, and changes nothing. `current` is the document that was read last.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when [`WritableSource::replace`] would not be allowed.
    async fn prove_writable(&mut self, current: &Secret) -> Result<(), WriteError>;
}

/// Why the document is not changed. Contains nothing of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Another writer has changed the document since it was read.
    #[error("another writer has changed the document meanwhile")]
    Conflict,
    /// The key-value engine has version 1, in which a writer cannot tell that another one has changed the secret.
    #[error(
        "the key-value engine has version 1, which has no check-and-set: concurrent changes would be lost; upgrade it to version 2"
    )]
    NoCheckAndSet,
    /// The document has a number that would be rounded when it is written again.
    #[error("the document has a number that would lose digits; write it as a string")]
    Number,
    /// The new document is not a JSON object.
    #[error("the new document is not a JSON object")]
    NotAnObject,
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file, or the folder it is in.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// Another process has the lock of the file's folder.
    #[error(
        "cannot write {}: {holder} has the lock of {}. Probably another command changes tenants: run this command again when it has ended",
        path.display(), folder.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// The folder, whose lock it is.
        folder: PathBuf,
        /// Who has it, as far as that is known.
        holder: String,
    },
    /// The file is a mount point, so that no other file can take its place.
    #[error(
        "cannot replace {}, because the file itself is mounted (a bind mount, `subPath` in Kubernetes); mount its folder instead",
        path.display()
    )]
    MountPoint {
        /// The file.
        path: PathBuf,
    },
    /// The source cannot be read or written.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The write got no usable answer, so the document may have been written, or may still be.
    #[error("the write got no answer, so it may have been made")]
    Uncertain(#[source] SourceError),
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError<E: Error + 'static> {
    /// The document does not allow the change.
    #[error(transparent)]
    Refused(E),
    /// The document cannot be read or written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Reads the document, changes it by `edit` and writes it. When another writer was faster, it begins again with what that one has
/// written, so that `edit` may run several times. A document that `edit` returns as it was is not written.
///
/// A write without an answer is made again on the version that it was for. Vault then takes one of the two and refuses the other one,
/// so that no write arrives late, after the caller has taken back what belongs to it. Therefore `edit` must return a document that has
/// the change already as it is.
///
/// # Errors
///
/// What `edit` refuses; [`WriteError`] when the document cannot be read or written, or others were faster 20 times;
/// [`WriteError::Uncertain`] when a write got no answer and what followed did not show whether it was made: also if the write was then
/// refused, or `edit` refused the document.
pub async fn change<E: Error + 'static>(
    source: &mut dyn WritableSource,
    mut edit: impl FnMut(&Secret) -> Result<Secret, E>,
) -> Result<(), ChangeError<E>> {
    let (mut tries, mut repetitions) = (1..=MAX_TRIES, 1..=MAX_REPETITIONS);
    // The document of the last write, if it got no answer; the first such failure of the call.
    let (mut unanswered, mut uncertain) = (None, None);
    loop {
        let before = match (source.read().await, unanswered.take()) {
            (Ok(now), Some(sent)) if is_same(&now, &sent) => return Ok(()),
            (Ok(now), _) => now,
            // What cannot be read cannot be compared.
            (Err(error), _) => return Err(settled(uncertain, WriteError::from(error).into())),
        };
        let after = match edit(&before) {
            Ok(after) if before.is_same(&after) => return Ok(()),
            Ok(after) => after,
            Err(error) => return Err(settled(uncertain, ChangeError::Refused(error))),
        };
        match source.replace(&before, &after).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) if tries.next().is_some() => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(WriteError::Uncertain(error)) if repetitions.next().is_some() => {
                unanswered = Some(after);
                uncertain.get_or_insert(error);
            }
            // Others have written, so that no earlier write of this call arrives late.
            Err(WriteError::Conflict) => return Err(WriteError::Conflict.into()),
            Err(error) => return Err(settled(uncertain, error.into())),
        }
    }
}

/// The error of a change. A write without an answer stays uncertain, whatever failed after it.
fn settled<E: Error + 'static>(uncertain: Option<SourceError>, error: ChangeError<E>) -> ChangeError<E> {
    uncertain.map_or(error, |unanswered| WriteError::Uncertain(unanswered).into())
}

/// Compares documents as JSON: a source may order and space the fields in another way.
fn is_same(one: &Secret, other: &Secret) -> bool {
    let parse = |document: &Secret| serde_json::from_str::<serde_json::Value>(document.reveal()).ok();
    parse(one).is_some_and(|value| parse(other) == Some(value))
}

/// Others would have to write that often within a second or two.
const MAX_TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// How often a write without an answer is repeated. Each one may take the whole time limit of a call.
const MAX_REPETITIONS: u32 = 2;

#[cfg(test)]
mod tests;
