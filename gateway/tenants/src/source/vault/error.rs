//! What Vault may refuse or fail at, without a word that it sent.

use std::path::PathBuf;

use rustify::errors::ClientError as HttpError;
use vaultrs::error::ClientError;

use kyc_model::SecretSourceError;

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
    #[error("vault cannot be reached: {0}")]
    Unreachable(String),
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
    #[error("vault answered with status {status}{}", if *status == 503 { ": sealed, or in standby" } else { "" })]
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
    /// What went wrong with a read. `error` itself must not be shown: some variants hold the answer.
    pub(super) fn of_read(error: &ClientError) -> Self {
        match status(error) {
            Some(403) => Self::Denied,
            Some(404) => Self::NotFound,
            Some(status) => Self::Status { status },
            None => Self::of_transport(error),
        }
    }

    /// What went wrong with a login.
    pub(super) fn of_login(error: &ClientError) -> Self {
        match status(error) {
            Some(status @ (400 | 401 | 403 | 404)) => Self::Login { status },
            Some(status) => Self::Status { status },
            None => Self::of_transport(error),
        }
    }

    /// What went wrong with opening a wrapped secret id.
    pub(super) fn of_unwrapping(error: &ClientError) -> Self {
        match status(error) {
            Some(status @ (400 | 403 | 404)) => Self::Wrapping { status },
            Some(status) => Self::Status { status },
            None => Self::of_transport(error),
        }
    }

    fn of_transport(error: &ClientError) -> Self {
        match error {
            ClientError::RestClientError {
                source: HttpError::RequestError { source, .. } | HttpError::ResponseError { source },
            } => Self::Unreachable(cause(source.chain())),
            _ => Self::Answer,
        }
    }
}

fn status(error: &ClientError) -> Option<u16> {
    match error {
        ClientError::APIError { code, .. }
        | ClientError::RestClientError { source: HttpError::ServerResponseError { code, .. } } => Some(*code),
        _ => None,
    }
}

/// The innermost cause. The outermost is left out because it shows the URL.
fn cause<'a>(chain: impl Iterator<Item = &'a (dyn std::error::Error + 'static)>) -> String {
    chain.skip(1).last().map_or_else(|| "no answer".to_owned(), ToString::to_string)
}
