//! Finds the array of tenants in the document.

use serde_json::value::RawValue;

use super::error::DocumentError;
use super::object::{self, FieldProblem, Object};
use super::rules::{TOKENS, TOKENS_MISSPELT};

/// Parses the whole document.
pub(super) fn parse_document(text: &str) -> Result<Object<'_>, DocumentError> {
    // Some Windows editors write a byte order mark, which JSON must not have (RFC 8259 §8.1).
    Object::parse(text.strip_prefix('\u{feff}').unwrap_or(text))
        .map_err(|error| DocumentError::Malformed { line: error.line(), column: error.column() })
}

/// Returns the value of the field with the array.
pub(super) fn locate<'a>(object: &Object<'a>) -> Result<&'a RawValue, DocumentError> {
    let value = object.value(&[TOKENS, TOKENS_MISSPELT]);
    value.map_err(|problem| DocumentError::of_field(TOKENS, problem))?.ok_or(DocumentError::MissingTokens)
}

/// Returns the JSON text of the array: the value itself, or the content of a string.
pub(super) fn text(object: &Object<'_>) -> Result<String, DocumentError> {
    let raw = locate(object)?;
    match object::text(raw) {
        Ok(text) => text.ok_or(DocumentError::MissingTokens),
        Err(FieldProblem::NotScalar) => Ok(raw.get().to_owned()),
        Err(problem) => Err(DocumentError::of_field(TOKENS, problem)),
    }
}

/// Splits the text of the array into its entries.
pub(super) fn elements(array: &str) -> Result<Vec<&RawValue>, DocumentError> {
    serde_json::from_str(array)
        .map_err(|error| DocumentError::MalformedTokens { line: error.line(), column: error.column() })
}
