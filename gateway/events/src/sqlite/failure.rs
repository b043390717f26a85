//! What a failed statement means for the store.

use crate::StoreError;

/// `SQLITE_FULL` is its own kind: the file system or the store's size is exhausted. So are `SQLITE_CORRUPT` and
/// `SQLITE_NOTADB`: what the file holds is not to be trusted.
pub(super) fn engine(error: &sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    // The lowest byte is the kind, the rest says more of it.
    match code.and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff) {
        Some(9) => StoreError::Interrupted,
        Some(11 | 26) => StoreError::Damaged(error.to_string()),
        Some(13) => StoreError::Full,
        _ => StoreError::Engine(error.to_string()),
    }
}
