//! The store in PostgreSQL, which several gateways share: each claims what it delivers for a while, and what it
//! does not finish in that time is another one's to deliver.

mod address;
mod adopt;
mod audit;
mod bulk;
mod due;
mod filter;
mod insert;
mod listen;
mod open;
mod read;
mod reseal;
mod rows;
mod schema;
mod standing;
mod sweep;
mod undelivered;
mod usage;
mod write;

use std::fmt;
use std::time::Duration;

use kyc_model::Secret;
use sqlx::postgres::PgConnection;

use super::{Extent, Keyring, OpenError, Share, StoreError};

pub use address::check as check_address;
pub use audit::PostgresRecords;
pub use listen::listen;
pub(crate) use read::PostgresReader;
pub(crate) use write::PostgresWriter;

/// A database.
#[derive(Clone)]
pub struct Postgres {
    url: Secret,
    /// How long a claim holds; longer than a delivery and its record may take.
    lease: Duration,
    share: Option<Share>,
}

// === impl Postgres ===

impl Postgres {
    /// Names the database; nothing is opened.
    pub fn new(url: Secret, lease: Duration) -> Self {
        Self { url, lease, share: None }
    }

    /// The same, where one tenant's events may take only so much.
    pub fn with_share(self, share: Share) -> Self {
        Self { share: Some(share), ..self }
    }

    /// Brings the tables to the newest version.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the database does not answer, or is newer.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        open::prepare(&self.url).await
    }

    /// The keys of events that are not in the keyring, as far as `extent` looks.
    ///
    /// # Errors
    ///
    /// What keeps the database from answering.
    pub async fn unknown_keys(&self, keyring: &Keyring, extent: Extent) -> Result<Vec<i64>, OpenError> {
        let mut keys = open::keys(&self.url, extent).await?;
        keys.retain(|key| !keyring.knows(*key));
        Ok(keys)
    }

    /// The writing side.
    pub fn writer(&self) -> PostgresWriter {
        PostgresWriter::new(self.clone())
    }

    /// The reading side, which claims what is due.
    pub fn reader(&self) -> PostgresReader {
        PostgresReader::new(self.clone())
    }

    /// Makes the tables as an older release has left them.
    #[cfg(test)]
    pub async fn older(&self, version: usize, script: &str) {
        open::older(&self.url, version, script).await;
    }

    /// The connection that was kept, else a new one.
    async fn connection(&self, kept: Option<PgConnection>) -> Result<PgConnection, StoreError> {
        match kept {
            Some(connection) => Ok(connection),
            None => open::connect(&self.url).await.map_err(|error| engine(&error)),
        }
    }

    /// The same, for claims.
    async fn connection_for_claims(&self, kept: Option<PgConnection>) -> Result<PgConnection, StoreError> {
        match kept {
            Some(connection) => Ok(connection),
            None => open::connect_for_claims(&self.url).await.map_err(|error| engine(&error)),
        }
    }
}

/// Ends what a server that is gone would never answer; its connection is dropped with it.
async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(LONGEST, work).await.unwrap_or(Err(StoreError::Away))
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres(…)")
    }
}

/// Longer than any statement may take on the server.
const LONGEST: Duration = Duration::from_secs(15);

/// No room on the disk is its own kind (`53100`); a text of the server may quote a row, so only its code is told.
fn engine(error: &sqlx::Error) -> StoreError {
    let Some(server) = error.as_database_error() else {
        return StoreError::Engine(match error {
            sqlx::Error::Io(error) => error.to_string(),
            sqlx::Error::Protocol(_) => "the connection broke".to_owned(),
            // What is wrong with the address or a certificate; neither text holds a value.
            sqlx::Error::Configuration(error) if error.is::<address::AddressError>() => error.to_string(),
            sqlx::Error::Tls(error) => format!("no TLS with PostgreSQL (sslmode of its address): {error}"),
            _ => "PostgreSQL does not answer".to_owned(),
        });
    };
    match server.code().as_deref() {
        Some("53100") => StoreError::Full,
        code => StoreError::Engine(format!("PostgreSQL says {}", code.unwrap_or("nothing"))),
    }
}
