//! What Vault may refuse or fail at, without a word that it sent.

use std::path::PathBuf;

use kyc_model::SecretSourceError;

use super::client::CallError;

/// Why Vault does not give the document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// A setting cannot be used.
    #[error("vault: {name} {problem}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The rule it breaks.
        problem: String,
    },
    /// A secret that the login needs cannot be read.
    #[error("vault: {name} cannot be read")]
    Secret {
        /// The setting.
        name: &'static str,
        /// Why not.
        #[source]
        source: SecretSourceError,
    },
    /// A token with characters that no header may carry.
    #[error("vault: the token has characters that no header may carry")]
    Token,
    /// The file with certificate authorities cannot be used.
    #[error("vault: cannot use the certificates in {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
    },
    /// The client certificate or its key cannot be used.
    #[error("vault: the client certificate and its key cannot be used")]
    ClientCertificate,
    /// The machine's identity cannot be had.
    #[error("vault: the machine's identity service gives no token: {0}")]
    Identity(String),
    /// The wrapped secret id was opened before, by somebody else or an earlier start, or is too old.
    #[error("vault: the wrapped secret id cannot be opened (status {status})")]
    Wrapping {
        /// Vault's answer.
        status: u16,
    },
    /// No client could be made.
    #[error("vault: cannot set up TLS")]
    Tls,
    /// No answer.
    #[error("vault cannot be reached at {address}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// The innermost cause.
        reason: String,
    },
    /// The login was refused.
    #[error("vault refused the login with status {status}")]
    Login {
        /// Vault's answer: 400 for a wrong id or secret, 403 for a denied one.
        status: u16,
    },
    /// The token is expired, revoked, or its policy does not allow reading the secret.
    #[error(
        "vault denied access to the secret (403): the token is no good, or no policy of it allows that path"
    )]
    Denied,
    /// The secret is not there: never written, deleted or destroyed.
    #[error("the vault secret does not exist or is deleted (404)")]
    NotFound,
    /// Sealed, in standby, or at its limits.
    #[error("vault answered with status {status}{}", hint(*status))]
    Status {
        /// The status; 503 is a sealed Vault.
        status: u16,
    },
    /// An answer that is not of the expected form.
    #[error("vault's answer is not that of a key-value secret")]
    Answer,
}

// === impl VaultError ===

impl VaultError {
    /// What went wrong with a read.
    pub(super) fn of_read(error: CallError) -> Self {
        match error {
            CallError::Status(403) => Self::Denied,
            CallError::Status(404) => Self::NotFound,
            other => Self::of_call(other),
        }
    }

    /// What went wrong with a login.
    pub(super) fn of_login(error: CallError) -> Self {
        match error {
            CallError::Status(status @ (400 | 401 | 403 | 404)) => Self::Login { status },
            other => Self::of_call(other),
        }
    }

    /// What went wrong with opening a wrapped secret id.
    pub(super) fn of_unwrapping(error: CallError) -> Self {
        match error {
            CallError::Status(status @ (400 | 403 | 404)) => Self::Wrapping { status },
            other => Self::of_call(other),
        }
    }

    fn of_call(error: CallError) -> Self {
        match error {
            CallError::Status(status) => Self::Status { status },
            CallError::NoAnswer { address, reason } => Self::Unreachable { address, reason },
            CallError::Unreadable => Self::Answer,
        }
    }
}

/// What a status means, for those that need an explanation.
fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => {
            ": redirects are not followed, so that the token goes nowhere else; configure the address behind it"
        }
        503 => ": sealed, or in standby",
        _ => "",
    }
}
