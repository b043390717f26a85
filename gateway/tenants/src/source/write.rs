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
    /// The source cannot be read or written.
    #[error(transparent)]
    Source(#[from] SourceError),
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
/// written, so that `edit` may run several times.
///
/// # Errors
///
/// What `edit` refuses; [`WriteError`] when the document cannot be read or written, or others were faster 20 times.
pub async fn change<E: Error + 'static>(
    source: &mut dyn WritableSource,
    mut edit: impl FnMut(&Secret) -> Result<Secret, E>,
) -> Result<(), ChangeError<E>> {
    let mut tries = 1..=MAX_TRIES;
    loop {
        let before = source.read().await.map_err(WriteError::from)?;
        let after = edit(&before).map_err(ChangeError::Refused)?;
        match source.replace(&before, &after).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) if tries.next().is_some() => {
                tokio::time::sleep(PAUSE).await;
            }
            // A response that did not arrive does not say whether the document was written.
            Err(error @ WriteError::Source(_)) => {
                let now = source.read().await.ok();
                return match now.is_some_and(|now| is_same(&now, &after)) {
                    true => Ok(()),
                    false => Err(error.into()),
                };
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Compares documents as JSON: a source may order and space the fields in another way.
fn is_same(one: &Secret, other: &Secret) -> bool {
    let parse = |document: &Secret| serde_json::from_str::<serde_json::Value>(document.reveal()).ok();
    parse(one).is_some_and(|value| parse(other) == Some(value))
}

/// Others would have to write that often within a second or two.
const MAX_TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
