//! Converts errors of PostgreSQL to errors of the store.

use std::time::Duration;

use super::address::AddressError;
use crate::StoreError;

/// Ends an operation that a server does not answer in time, for instance because its machine is down. The operation's
/// connection is dropped with it.
pub(super) async fn with_timeout<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(TIMEOUT, work).await.unwrap_or(Err(StoreError::Unavailable))
}

/// Converts an error: `disk_full` (`53100`) to [`StoreError::Full`], others to their code. The server's message is left
/// out, because it may quote a row.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    let Some(server) = error.as_database_error() else {
        return StoreError::Engine(match error {
            sqlx::Error::Io(error) => error.to_string(),
            sqlx::Error::Protocol(_) => "protocol error on the connection to PostgreSQL".to_owned(),
            // The messages about an address or a certificate contain no secret.
            sqlx::Error::Configuration(error) if error.is::<AddressError>() => error.to_string(),
            sqlx::Error::Tls(error) => {
                format!("cannot establish TLS with PostgreSQL (see sslmode in its address): {error}")
            }
            _ => "PostgreSQL does not answer".to_owned(),
        });
    };
    match server.code().as_deref() {
        Some("53100") => StoreError::Full,
        code => StoreError::Engine(format!("PostgreSQL returned SQLSTATE {}", code.unwrap_or("unknown"))),
    }
}

/// Longer than `statement_timeout`, so that the server ends a slow statement first and the connection stays.
const TIMEOUT: Duration = Duration::from_secs(15);
