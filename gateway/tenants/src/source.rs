//! Where the tenant document comes from.

pub(crate) mod file;
pub(crate) mod vault;

use std::error::Error;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::time::Instant;

use kyc_model::Secret;

use vault::VaultError;

/// A place that holds the tenant document.
#[async_trait]
pub trait Source: Send {
    /// Reads the document as it is now. Dropping the future is safe at any time.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the document cannot be had; one that is not there is an outage too, never an
    /// empty document.
    async fn read(&mut self) -> Result<Secret, SourceError>;

    /// Says cheaply, without reading a secret, whether the document is still the one that was read last; `false` also
    /// when that is not known.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when a read would fail, too.
    async fn is_unchanged(&mut self) -> Result<bool, SourceError> {
        Ok(false)
    }

    /// When it wants to be looked at, whatever the poll is: to renew a login in time.
    fn next_look(&self) -> Option<Instant> {
        None
    }

    /// The number of what was read last, where the place counts.
    fn version(&self) -> Option<u64> {
        None
    }

    /// Names the place for the operator, as in `vault secret kv/dcs/kyc-onfido`; holds no secret.
    fn describe(&self) -> String;
}

/// Why the document cannot be had. Holds nothing of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file cannot be read as UTF-8 text.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Vault does not give it.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// An error and its causes in one line, as operators are told of it.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
