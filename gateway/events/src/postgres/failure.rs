//! What a failed statement means for the store.

use std::time::Duration;

use super::address::AddressError;
use crate::StoreError;

/// Ends what a server that is gone would never answer; its connection is dropped with it.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(LONGEST, work).await.unwrap_or(Err(StoreError::Unavailable))
}

/// No room on the disk is its own kind (`53100`); a text of the server may quote a row, so only its code is told.
pub(super) fn engine(error: &sqlx::Error) -> StoreError {
    let Some(server) = error.as_database_error() else {
        return StoreError::Engine(match error {
            sqlx::Error::Io(error) => error.to_string(),
            sqlx::Error::Protocol(_) => "the connection broke".to_owned(),
            // What is wrong with the address or a certificate; neither text holds a value.
            sqlx::Error::Configuration(error) if error.is::<AddressError>() => error.to_string(),
            sqlx::Error::Tls(error) => format!("no TLS with PostgreSQL (sslmode of its address): {error}"),
            _ => "PostgreSQL does not answer".to_owned(),
        });
    };
    match server.code().as_deref() {
        Some("53100") => StoreError::Full,
        code => StoreError::Engine(format!("PostgreSQL says {}", code.unwrap_or("nothing"))),
    }
}

/// Longer than any statement may take on the server.
const LONGEST: Duration = Duration::from_secs(15);
