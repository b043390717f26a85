//! The sources of the tenant document.

pub(crate) mod file;
pub(crate) mod vault;
pub(crate) mod write;

use std::error::Error;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::time::Instant;

use kyc_model::Secret;

use vault::VaultError;

/// A source of the tenant document: a file, or a secret in Vault.
#[async_trait]
pub trait Source: Send {
    /// Reads the current document. The future may be dropped at any time.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the document cannot be read. An absent document is an error too, and not an empty document: that
    /// would remove every tenant.
    async fn read(&mut self) -> Result<Secret, SourceError>;

    /// Returns whether the document is unchanged since the last read, without reading a secret; `false` also when the source
    /// cannot tell.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when [`Source::read`] would fail too.
    async fn is_unchanged(&mut self) -> Result<bool, SourceError> {
        Ok(false)
    }

    /// Returns when the source must be polled at the latest, so that it can renew its login in time.
    fn next_poll(&self) -> Option<Instant> {
        None
    }

    /// Returns the version of the document that was read last, if the source has versions.
    fn version(&self) -> Option<u64> {
        None
    }

    /// Names the source for the operator, as in `vault secret kv/dcs/kyc-onfido`; contains no secret.
    fn describe(&self) -> String;
}

/// Why the document cannot be read. Contains nothing of the document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file cannot be read as UTF-8 text.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The document cannot be read from Vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Formats an error and its sources in one line, for logs and operators.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
