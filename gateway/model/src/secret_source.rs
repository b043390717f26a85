//! The source of a configured secret: a file or an environment variable.
//!
//! The configuration never contains a secret, because decoders quote the line that they cannot parse in their errors.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use crate::Secret;

/// A reference to a secret, from one of the keys `…_file` and `…_env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The content of a file, without the white space around it.
    File(PathBuf),
    /// The value of an environment variable.
    Env(String),
}

/// Why a referenced secret cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretSourceError {
    /// Neither key is set.
    #[error("needs one of {0}_file and {0}_env")]
    Missing(&'static str),
    /// Both keys are set.
    #[error("accepts only one of {0}_file and {0}_env")]
    Both(&'static str),
    /// The file cannot be read as UTF-8 text.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        reason: io::Error,
    },
    /// The environment variable is not set.
    #[error("environment variable {0} is not set")]
    Unset(String),
    /// The secret is empty.
    #[error("the secret is empty")]
    Empty,
}

// === impl SecretSource ===

impl SecretSource {
    /// Chooses the source from the two keys of the secret `name`.
    ///
    /// # Errors
    ///
    /// [`SecretSourceError::Missing`] if neither key is set, [`SecretSourceError::Both`] if both are.
    pub fn choose(
        name: &'static str,
        file: Option<&Path>,
        env: Option<&str>,
    ) -> Result<Self, SecretSourceError> {
        match (file, env) {
            (Some(path), None) => Ok(Self::File(path.to_owned())),
            (None, Some(variable)) => Ok(Self::Env(variable.to_owned())),
            (None, None) => Err(SecretSourceError::Missing(name)),
            (Some(_), Some(_)) => Err(SecretSourceError::Both(name)),
        }
    }

    /// Reads the secret. Every call reads the source again, so that a rotated file takes effect.
    ///
    /// # Errors
    ///
    /// [`SecretSourceError`] if it is missing, not UTF-8 text, or empty.
    pub fn read(&self) -> Result<Secret, SecretSourceError> {
        // The text with its white space is not a `Secret` yet, but must also be zeroed.
        let mut text = Zeroizing::new(String::new());
        match self {
            Self::File(path) => {
                File::open(path)
                    .and_then(|mut file| file.read_to_string(&mut text))
                    .map_err(|reason| SecretSourceError::Unreadable { path: path.clone(), reason })?;
            }
            Self::Env(variable) => {
                *text = std::env::var(variable).map_err(|_| SecretSourceError::Unset(variable.clone()))?;
            }
        }
        match text.trim() {
            "" => Err(SecretSourceError::Empty),
            secret => Ok(Secret::new(secret.to_owned())),
        }
    }
}
