//! Errors of reading from Vault. They contain nothing of Vault's responses, which could be secrets.

use std::path::PathBuf;

use kyc_model::SecretSourceError;

use super::client::CallError;

/// Why the document cannot be read from Vault.
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
    /// A secret for the login cannot be read.
    #[error("vault: {name} cannot be read")]
    Secret {
        /// The setting.
        name: &'static str,
        /// The reason.
        #[source]
        source: SecretSourceError,
    },
    /// The token has characters that are not allowed in a header.
    #[error("vault: the token has characters that are not allowed in a header")]
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
    /// The identity service of the machine returns no token.
    #[error("vault: cannot get a token from the machine's identity service: {0}")]
    Identity(String),
    /// The wrapped secret id cannot be unwrapped: it was unwrapped before, by another process or an earlier start, or it has
    /// expired.
    #[error("vault: cannot unwrap the secret id (status {status})")]
    Wrapping {
        /// The status of Vault's response.
        status: u16,
    },
    /// The TLS client cannot be built.
    #[error("vault: cannot set up TLS")]
    Tls,
    /// No response came from Vault.
    #[error("vault cannot be reached at {address}: {reason}")]
    Unreachable {
        /// The configured address.
        address: String,
        /// The innermost cause.
        reason: String,
    },
    /// Vault refused the login.
    #[error("vault refused the login with status {status}")]
    Login {
        /// The status of Vault's response: 400 for a wrong id or secret, 403 for a denied one.
        status: u16,
    },
    /// The token has expired or was revoked, or its policy does not allow reading the secret.
    #[error(
        "vault denied access to the secret (403): the token is invalid, or none of its policies allows the path"
    )]
    Denied,
    /// The secret does not exist: it was never written, or it was deleted or destroyed.
    #[error("the vault secret does not exist or is deleted (404)")]
    NotFound,
    /// Vault is sealed, in standby, or overloaded.
    #[error("vault answered with status {status}{}", hint(*status))]
    Status {
        /// The status; 503 is a sealed Vault.
        status: u16,
    },
    /// The response does not have the expected form.
    #[error("vault's response is not a key-value secret")]
    UnexpectedResponse,
}

// === impl VaultError ===

impl VaultError {
    /// Converts the error of a read.
    pub(super) fn of_read(error: CallError) -> Self {
        match error {
            CallError::Status(403) => Self::Denied,
            CallError::Status(404) => Self::NotFound,
            other => Self::of_call(other),
        }
    }

    /// Converts the error of a login or a renewal.
    pub(super) fn of_login(error: CallError) -> Self {
        match error {
            CallError::Status(status @ (400 | 401 | 403 | 404)) => Self::Login { status },
            other => Self::of_call(other),
        }
    }

    /// Converts the error of unwrapping a secret id.
    pub(super) fn of_unwrapping(error: CallError) -> Self {
        match error {
            CallError::Status(status @ (400 | 403 | 404)) => Self::Wrapping { status },
            other => Self::of_call(other),
        }
    }

    /// Returns whether a write with this error may have been made, or may still be.
    pub(super) fn may_have_written(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::UnexpectedResponse | Self::Status { status: 500.. } => true,
            Self::Setting { .. }
            | Self::Secret { .. }
            | Self::Token
            | Self::CaFile { .. }
            | Self::ClientCertificate
            | Self::Identity(_)
            | Self::Wrapping { .. }
            | Self::Tls
            | Self::Login { .. }
            | Self::Denied
            | Self::NotFound
            | Self::Status { .. } => false,
        }
    }

    fn of_call(error: CallError) -> Self {
        match error {
            CallError::Status(status) => Self::Status { status },
            CallError::NoResponse { address, reason } => Self::Unreachable { address, reason },
            CallError::Unreadable => Self::UnexpectedResponse,
        }
    }
}

/// Explains a status in the message; empty for a status that needs no explanation.
fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => {
            ": redirects are not followed, because they would send the token to another host; configure the final address"
        }
        503 => ": sealed, or in standby",
        _ => "",
    }
}
