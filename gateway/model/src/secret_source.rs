//! Where a configured secret comes from: a file or an environment variable, never the configuration itself.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use crate::Secret;

/// A reference to a secret, as a pair of keys `…_file` and `…_env` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The content of a file, without the white space around it.
    File(PathBuf),
    /// The value of an environment variable.
    Env(String),
}

/// Why a referenced secret cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretSourceError {
    /// Neither key is set.
    #[error("needs one of {0}_file and {0}_env")]
    Missing(&'static str),
    /// Both keys are set.
    #[error("takes only one of {0}_file and {0}_env")]
    Both(&'static str),
    /// The file cannot be read as UTF-8 text.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
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
    /// Chooses between the two keys of the secret called `name`.
    ///
    /// # Errors
    ///
    /// [`SecretSourceError::Missing`] or [`SecretSourceError::Both`].
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

    /// Reads the secret now, so that a rotated file is seen.
    ///
    /// # Errors
    ///
    /// [`SecretSourceError`] when it is not there, not text or empty.
    pub fn read(&self) -> Result<Secret, SecretSourceError> {
        // What is read has white space around the secret, so it is no `Secret` yet, but is wiped like one.
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
