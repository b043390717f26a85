//! Converts errors of SQLite to errors of the store.

use crate::StoreError;

/// Converts an error by its result code, because the store reacts to these: `SQLITE_FULL` (the disk is full or the file has
/// its maximal size), `SQLITE_CORRUPT` and `SQLITE_NOTADB` (the file is damaged), and `SQLITE_INTERRUPT` (a check ended
/// early).
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    // The low byte of an extended result code is the primary one: https://sqlite.org/rescode.html
    match code.and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff) {
        Some(INTERRUPT) => StoreError::Interrupted,
        Some(CORRUPT | NOT_A_DATABASE) => StoreError::Damaged(error.to_string()),
        Some(FULL) => StoreError::Full,
        _ => StoreError::Engine(error.to_string()),
    }
}

const INTERRUPT: i32 = 9;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOT_A_DATABASE: i32 = 26;
