//! The errors of a document that cannot be used at all.

use kyc_model::BaseUrlError;

use super::object::FieldProblem;
use super::rules::{BASE_URL, TOKENS};

/// Why a document cannot be used at all. The message names the position, never the content, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The document is not UTF-8.
    #[error("the document is not UTF-8 text")]
    NotText,
    /// The document is not JSON, or not an object.
    #[error("the document is not a JSON object (line {line}, column {column})")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A field of the document is repeated, in any case of letters, or is not a string.
    #[error("{field} {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// The rule that it breaks.
        problem: &'static str,
    },
    /// The array of tenants is missing.
    #[error("{TOKENS} is missing")]
    MissingTokens,
    /// The value of the field is not an array, or a string with an array in it.
    #[error("{TOKENS} is not a JSON array (line {line}, column {column} of its value)")]
    MalformedTokens {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The base URL is missing, and an entry needs it.
    #[error("{BASE_URL} is missing, and not every entry has its own baseUrl")]
    MissingBaseUrl,
    /// The base URL cannot be used.
    #[error("{BASE_URL} {0}")]
    BaseUrl(BaseUrlError),
}

// === impl DocumentError ===

impl DocumentError {
    /// The error of a field of the document.
    pub(super) fn of_field(field: &'static str, problem: FieldProblem) -> Self {
        Self::Field { field, problem: problem.text() }
    }
}
